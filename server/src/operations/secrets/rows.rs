//! The tables `secret` and `secret_version`.

use crate::caller::lookup::after;
use crate::caller::policy::Reach;
use crate::error::{Error, Result};
use crate::store::Unit;
use crate::store::entity::{secret, secret_version};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef};
use uuid::Uuid;

/// Counts one read of a version, unless its reads are used up, or it is not the newest version of a live secret any more.
pub(super) async fn count_read(unit: &Unit<'_>, version: &secret_version::Model) -> Result<bool> {
    let live = Query::select()
        .column(secret::Column::Id)
        .from(secret::Entity)
        .and_where(secret::Column::Id.eq(version.secret_id))
        .and_where(secret::Column::Version.eq(version.version))
        .and_where(secret::Column::DeletedAt.is_null())
        .to_owned();
    let counted = secret_version::Entity::update_many()
        .col_expr(secret_version::Column::AccessCount, Expr::col(secret_version::Column::AccessCount).add(1))
        .filter(secret_version::Column::SecretId.eq(version.secret_id))
        .filter(secret_version::Column::Version.eq(version.version))
        .filter(Expr::col(secret_version::Column::AccessCount).lt(Expr::col(secret_version::Column::MaxAccessCount)))
        .filter(secret_version::Column::SecretId.in_subquery(live))
        .exec(unit.connection())
        .await?;
    Ok(counted.rows_affected == 1)
}

/// A path's first version.
pub(super) async fn insert_secret(unit: &mut Unit<'_>, secret: secret::Model) -> Result<()> {
    unit.insert(secret).await
}

/// A later version; the path lives again if it was deleted.
pub(super) async fn raise_version(unit: &Unit<'_>, secret: &secret::Model) -> Result<()> {
    secret::Entity::update_many()
        .col_expr(secret::Column::Version, Expr::value(secret.version))
        .col_expr(secret::Column::DeletedAt, Expr::value(None::<i64>))
        .filter(secret::Column::Id.eq(secret.id))
        .exec(unit.connection())
        .await?;
    Ok(())
}

pub(super) async fn insert_version(unit: &mut Unit<'_>, version: secret_version::Model) -> Result<()> {
    unit.insert(version).await
}

pub(super) async fn mark_deleted(unit: &Unit<'_>, id: Uuid) -> Result<()> {
    secret::Entity::update_many()
        .col_expr(secret::Column::DeletedAt, Expr::value(unit.now().microseconds()))
        .filter(secret::Column::Id.eq(id))
        .exec(unit.connection())
        .await?;
    Ok(())
}

pub(super) async fn delete_of_vault(unit: &Unit<'_>, vault: Uuid) -> Result<()> {
    secret_version::Entity::delete_many()
        .filter(secret_version::Column::VaultId.eq(vault))
        .exec(unit.connection())
        .await?;
    secret::Entity::delete_many().filter(secret::Column::VaultId.eq(vault)).exec(unit.connection()).await?;
    Ok(())
}

/// Ranges in one statement at most: two values each, padded to a power of two so that few statement texts serve all.
const MAX_RANGES: usize = 256;

/// Live secrets with their newest version under the caller's reach and a prefix that a path can begin with, in the order of their paths: a range of
/// the index for each prefix of the reach, never the whole vault to be sieved.
pub(super) async fn list(
    connection: &impl ConnectionTrait,
    vault: Uuid,
    reach: &Reach,
    prefix: &str,
) -> Result<Vec<(secret::Model, secret_version::Model)>> {
    let begins = reach.prefixes().into_iter().filter_map(|begin| match begin {
        begin if begin.starts_with(prefix) => Some(begin),
        begin if prefix.starts_with(begin) => Some(prefix),
        _ => None,
    });
    let begins: Vec<&str> = begins.collect();
    let mut found = Vec::new();
    for begins in begins.chunks(MAX_RANGES) {
        let mut query = secret::Entity::find()
            .select_also(secret_version::Entity)
            .join(JoinType::InnerJoin, newest())
            .filter(secret::Column::VaultId.eq(vault))
            .filter(secret::Column::DeletedAt.is_null())
            .order_by_asc(secret::Column::Path);
        // The empty prefix is the range of everything.
        if begins != [""] {
            let mut ranges: Vec<_> = begins.iter().map(|begin| ((*begin).to_owned(), after(begin))).collect();
            // A range from a text to itself holds nothing.
            ranges.resize(ranges.len().next_power_of_two(), Default::default());
            let ranges = Query::select().expr(Expr::col(Asterisk)).from_values(ranges, "v").to_owned();
            let (path, of) =
                ((secret::Entity, secret::Column::Path), |bound: &'static str| Expr::col(("range", bound)));
            let within = Expr::col(path).gte(of("column1")).and(Expr::col(path).lt(of("column2")));
            QuerySelect::query(&mut query).join_subquery(JoinType::InnerJoin, ranges, "range", within);
        }
        for (secret, version) in query.all(connection).await? {
            let version = version.ok_or_else(|| Error::internal("a secret without its newest version"))?;
            if secret.path.parse().is_ok_and(|path| reach.covers(&path)) {
                found.push((secret, version));
            }
        }
    }
    Ok(found)
}

/// From a secret to its newest version.
fn newest() -> RelationDef {
    secret::Entity::belongs_to(secret_version::Entity)
        .from((secret::Column::Id, secret::Column::Version))
        .to((secret_version::Column::SecretId, secret_version::Column::Version))
        .into()
}
