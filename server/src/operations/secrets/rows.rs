//! The table `secret_version`.

use crate::caller::lookup::after;
use crate::caller::policy::Reach;
use crate::error::{Error, Result};
use crate::store::entity::secret_version;
use crate::store::{Unit, expect_rows, is_taken};
use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait,
};
use uuid::Uuid;

/// That version itself.
fn this(version: &secret_version::Model) -> Condition {
    Condition::all()
        .add(secret_version::Column::SecretId.eq(version.secret_id))
        .add(secret_version::Column::Version.eq(version.version))
}

/// Counts one read of a version, unless its reads are used up, or it is not the newest version of a live secret any more.
pub(super) async fn count_read(unit: &Unit<'_>, version: &secret_version::Model) -> Result<bool> {
    let counted = secret_version::Entity::update_many()
        .col_expr(secret_version::Column::AccessCount, Expr::col(secret_version::Column::AccessCount).add(1))
        .filter(this(version))
        .filter(secret_version::Column::IsNewest.eq(true))
        .filter(secret_version::Column::DeletedAt.is_null())
        .filter(Expr::col(secret_version::Column::AccessCount).lt(Expr::col(secret_version::Column::MaxAccessCount)))
        .exec(unit.connection())
        .await?;
    Ok(counted.rows_affected == 1)
}

/// Adds a version. Returns a conflict if that version exists: an older one was restored by hand as the newest.
pub(super) async fn insert(unit: &mut Unit<'_>, version: secret_version::Model) -> Result<()> {
    const DETAIL: &str = "There is a version of that number already: the database was put back by hand.";
    unit.insert(version).await.map_err(|error| if is_taken(&error) { Error::conflict(DETAIL) } else { error })
}

/// Makes room for the next version.
pub(super) async fn supersede(unit: &Unit<'_>, former: &secret_version::Model) -> Result<()> {
    secret_version::Entity::update_many()
        .col_expr(secret_version::Column::IsNewest, Expr::value(None::<bool>))
        .filter(this(former))
        .exec(unit.connection())
        .await
        .map_err(Error::from)
        .and_then(|updated| expect_rows(updated.rows_affected, 1))
}

pub(super) async fn mark_deleted(unit: &Unit<'_>, newest: &secret_version::Model) -> Result<()> {
    secret_version::Entity::update_many()
        .col_expr(secret_version::Column::DeletedAt, Expr::value(unit.now().microseconds()))
        .filter(this(newest))
        .exec(unit.connection())
        .await
        .map_err(Error::from)
        .and_then(|updated| expect_rows(updated.rows_affected, 1))
}

pub(super) async fn delete_of_vault(unit: &Unit<'_>, vault: Uuid) -> Result<()> {
    secret_version::Entity::delete_many()
        .filter(secret_version::Column::VaultId.eq(vault))
        .exec(unit.connection())
        .await?;
    Ok(())
}

/// What may be told of a version without opening it.
#[derive(FromQueryResult)]
pub(super) struct Description {
    pub(super) secret_id: Uuid,
    pub(super) version: i64,
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) created_at: i64,
    pub(super) expires_at: Option<i64>,
    pub(super) metadata: String,
}

impl From<secret_version::Model> for Description {
    fn from(version: secret_version::Model) -> Self {
        let secret_version::Model { secret_id, version, path, kind, created_at, expires_at, metadata, .. } = version;
        Self { secret_id, version, path, kind, created_at, expires_at, metadata }
    }
}

/// The columns of a [`Description`].
const DESCRIBED: [secret_version::Column; 7] = [
    secret_version::Column::SecretId,
    secret_version::Column::Version,
    secret_version::Column::Path,
    secret_version::Column::Kind,
    secret_version::Column::CreatedAt,
    secret_version::Column::ExpiresAt,
    secret_version::Column::Metadata,
];

/// Live secrets of a vault whose paths begin with a text.
fn beginning(vault: Uuid, text: &str) -> SelectStatement {
    let mut query = secret_version::Entity::find()
        .select_only()
        .columns(DESCRIBED)
        .filter(secret_version::Column::VaultId.eq(vault))
        .filter(secret_version::Column::IsNewest.eq(true))
        .filter(secret_version::Column::DeletedAt.is_null());
    if !text.is_empty() {
        let path = secret_version::Column::Path;
        query = query.filter(path.gte(text)).filter(path.lt(after(text)));
    }
    query.into_query()
}

/// Ranges in one statement at most; padded to a power of two so that few statement texts serve all.
const MAX_RANGES: usize = 64;
/// What no path begins with.
const NOWHERE: &str = "*";

/// Live secrets under the caller's reach and a prefix that a path can begin with, in the order of their paths: a range of
/// the index for each prefix of the reach, never the whole vault to be sieved. Each is a statement of its own within the
/// one that is sent: of a join with the ranges a database may choose to walk over the vault and compare.
pub(super) async fn list(
    connection: &impl ConnectionTrait,
    vault: Uuid,
    reach: &Reach,
    prefix: &str,
) -> Result<Vec<Description>> {
    let begins = reach.prefixes().into_iter().filter_map(|begin| match begin {
        begin if begin.starts_with(prefix) => Some(begin),
        begin if prefix.starts_with(begin) => Some(prefix),
        _ => None,
    });
    let begins: Vec<&str> = begins.collect();
    let mut found = Vec::new();
    for begins in begins.chunks(MAX_RANGES) {
        let mut padded = begins.to_vec();
        padded.resize(begins.len().next_power_of_two(), NOWHERE);
        let ranges = padded.into_iter().map(|begin| beginning(vault, begin));
        let Some(query) = ranges.reduce(|mut query, next| query.union(UnionType::All, next).take()) else { continue };
        let described = Description::find_by_statement(connection.get_database_backend().build(&query));
        let covered = |version: &Description| version.path.parse().is_ok_and(|path| reach.covers(&path));
        found.extend(described.all(connection).await?.into_iter().filter(covered));
    }
    found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}
