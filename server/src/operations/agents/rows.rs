//! The table `agent`.

use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::{agent, users};
use crate::store::{Unit, insert_with_mac, is_authentic, update_with_mac};
use keepward_api::{OrgId, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

pub(super) async fn insert(unit: &Unit<'_>, keyring: &Keyring, agent: agent::Model) -> Result<()> {
    insert_with_mac(unit.connection(), &keyring.sub_keys.row, agent).await
}

pub(super) async fn update(unit: &Unit<'_>, keyring: &Keyring, agent: agent::Model) -> Result<()> {
    update_with_mac(unit.connection(), &keyring.sub_keys.row, agent).await
}

/// An organisation's agents, oldest first, the deactivated ones included.
pub(super) async fn of_organisation(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    org: OrgId,
) -> Result<Vec<agent::Model>> {
    let query = agent::Entity::find().filter(agent::Column::OrgId.eq(org.0));
    let agents = query.order_by_asc(agent::Column::CreatedAt).order_by_asc(agent::Column::Id).all(connection).await?;
    Ok(agents.into_iter().filter(|agent| is_authentic(&keyring.sub_keys.row, agent)).collect())
}

/// The organisation's first owner, who counts as the maker of the agents' key vault.
pub(super) async fn first_owner(connection: &impl ConnectionTrait, keyring: &Keyring, org: OrgId) -> Result<UserId> {
    let query = users::Entity::find().filter(users::Column::OrgId.eq(org.0)).filter(users::Column::Role.eq("owner"));
    let owners = query.order_by_asc(users::Column::CreatedAt).all(connection).await?;
    let first = owners.into_iter().find(|owner| is_authentic(&keyring.sub_keys.row, owner));
    first.map(|owner| UserId(owner.id)).ok_or_else(|| Error::internal("an organisation without an owner"))
}
