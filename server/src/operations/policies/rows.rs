//! The table `policy`.

use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::{agent, policy, users};
use crate::store::{Actor, Unit, expect_rows, insert_with_mac, is_authentic, update_with_mac};
use keepward_api::PolicyId;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

/// Whether a user or agent is of the organisation.
pub(super) async fn principal_exists(unit: &Unit<'_>, keyring: &Keyring, org: Uuid, principal: Actor) -> Result<bool> {
    let row = &keyring.sub_keys.row;
    Ok(match principal {
        Actor::User(id) => {
            let user = users::Entity::find_by_id(id.0).one(unit.connection()).await?;
            user.is_some_and(|user| user.org_id == org && is_authentic(row, &user))
        }
        Actor::Agent(id) => {
            let agent = agent::Entity::find_by_id(id.0).one(unit.connection()).await?;
            agent.is_some_and(|agent| agent.org_id == org && is_authentic(row, &agent))
        }
        Actor::System => false,
    })
}

pub(super) async fn insert(unit: &Unit<'_>, keyring: &Keyring, policy: policy::Model) -> Result<()> {
    insert_with_mac(unit.connection(), &keyring.sub_keys.row, policy).await
}

/// A vault's policies, oldest first.
pub(super) async fn of_vault(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    vault: Uuid,
) -> Result<Vec<policy::Model>> {
    let query = policy::Entity::find().filter(policy::Column::VaultId.eq(vault));
    let policies =
        query.order_by_asc(policy::Column::CreatedAt).order_by_asc(policy::Column::Id).all(connection).await?;
    Ok(policies.into_iter().filter(|policy| is_authentic(&keyring.sub_keys.row, policy)).collect())
}

/// A policy of the vault, to be changed in this unit, whose grant locks the vault.
pub(super) async fn locked(unit: &Unit<'_>, keyring: &Keyring, vault: Uuid, id: PolicyId) -> Result<policy::Model> {
    let query = policy::Entity::find_by_id(id.0).filter(policy::Column::VaultId.eq(vault));
    let policy = query.one(unit.connection()).await?;
    policy.filter(|policy| is_authentic(&keyring.sub_keys.row, policy)).ok_or(Error::NotFound { what: "policy" })
}

pub(super) async fn update(unit: &Unit<'_>, keyring: &Keyring, policy: policy::Model) -> Result<()> {
    update_with_mac(unit.connection(), &keyring.sub_keys.row, policy).await
}

pub(super) async fn delete(unit: &Unit<'_>, id: Uuid) -> Result<()> {
    expect_rows(policy::Entity::delete_by_id(id).exec(unit.connection()).await?.rows_affected, 1)
}

pub(super) async fn delete_of_vault(unit: &Unit<'_>, vault: Uuid) -> Result<()> {
    policy::Entity::delete_many().filter(policy::Column::VaultId.eq(vault)).exec(unit.connection()).await?;
    Ok(())
}
