//! The table `vault`.

use crate::caller::Visible;
use crate::caller::conditions::Conditions;
use crate::caller::policy::Permission;
use crate::error::Result;
use crate::seal::Keyring;
use crate::store::entity::{policy, vault};
use crate::store::{Unit, expect_rows, is_authentic};
use keepward_api::Timestamp;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::net::IpAddr;
use uuid::Uuid;

/// The vaults that a list may show, oldest first: those that the caller made or holds a live policy in, and all for admins,
/// within an agent's binding. With `reading_from` a policy counts only if it gives reading now, from there.
pub(super) async fn visible(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    visible: &Visible,
    now: Timestamp,
    reading_from: Option<IpAddr>,
) -> Result<Vec<vault::Model>> {
    let mut query = vault::Entity::find().filter(vault::Column::OrgId.eq(visible.org.0));
    if !visible.everything {
        let granted = granted(connection, keyring, visible, now, reading_from).await?;
        let made = Condition::all()
            .add(vault::Column::CreatedBy.eq(visible.principal.id()))
            .add(vault::Column::CreatedByType.eq(visible.principal.kind()));
        query = query.filter(Condition::any().add(made).add(vault::Column::Id.is_in(granted)));
    }
    if !visible.binding.is_empty() {
        query = query.filter(vault::Column::Id.is_in(visible.binding.iter().map(|id| id.0)));
    }
    let vaults = query.order_by_asc(vault::Column::CreatedAt).order_by_asc(vault::Column::Id).all(connection).await?;
    Ok(vaults.into_iter().filter(|vault| is_authentic(&keyring.sub_keys.row, vault)).collect())
}

/// Policies in one statement: one that counts makes all others in its vault needless.
const MANY: usize = 256;

async fn granted(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    visible: &Visible,
    now: Timestamp,
    reading_from: Option<IpAddr>,
) -> Result<Vec<Uuid>> {
    let counts = |policy: &&policy::Model| {
        let is_live = policy.expires_at.is_none_or(|end| end > now.microseconds());
        let is_enough = reading_from.is_none_or(|address| {
            let may_read = policy.permissions & (Permission::Read as i64) != 0;
            may_read && Conditions::stored(&policy.conditions).hold(now, address)
        });
        is_live && is_enough && is_authentic(&keyring.sub_keys.row, *policy)
    };
    let policies = policy::Entity::find()
        .filter(policy::Column::PrincipalId.eq(visible.principal.id()))
        .filter(policy::Column::PrincipalType.eq(visible.principal.kind()))
        .filter(policy::Column::OrgId.eq(visible.org.0));
    let (mut vaults, mut last) = (Vec::new(), Uuid::nil());
    loop {
        let next = policies.clone().filter(policy::Column::VaultId.gt(last)).order_by_asc(policy::Column::VaultId);
        let next = next.limit(MANY as u64).all(connection).await?;
        vaults.extend(next.iter().filter(counts).map(|policy| policy.vault_id));
        vaults.dedup();
        let end = match next.last() {
            Some(policy) if next.len() == MANY => policy.vault_id,
            _ => return Ok(vaults),
        };
        // The last vault may have more than came.
        if vaults.last() != Some(&end) {
            let all = policies.clone().filter(policy::Column::VaultId.eq(end)).all(connection).await?;
            vaults.extend(all.iter().find(counts).map(|policy| policy.vault_id));
        }
        last = end;
    }
}

/// The vault of an organisation with a reserved name.
pub(super) async fn by_name(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    org: Uuid,
    name: &str,
) -> Result<Option<vault::Model>> {
    let query = vault::Entity::find().filter(vault::Column::OrgId.eq(org)).filter(vault::Column::Name.eq(name));
    let vault = query.order_by_asc(vault::Column::CreatedAt).one(connection).await?;
    Ok(vault.filter(|vault| is_authentic(&keyring.sub_keys.row, vault)))
}

/// How many of these vaults the organisation has.
pub(super) async fn count_of(connection: &impl ConnectionTrait, org: Uuid, ids: &[Uuid]) -> Result<u64> {
    use sea_orm::PaginatorTrait;
    let query =
        vault::Entity::find().filter(vault::Column::OrgId.eq(org)).filter(vault::Column::Id.is_in(ids.iter().copied()));
    Ok(query.count(connection).await?)
}

pub(super) async fn delete(unit: &Unit<'_>, id: Uuid) -> Result<()> {
    expect_rows(vault::Entity::delete_by_id(id).exec(unit.connection()).await?.rows_affected, 1)
}
