//! The table `api_key`.

use crate::error::Result;
use crate::seal::Keyring;
use crate::store::entity::api_key;
use crate::store::{Actor, Unit, insert_with_mac, is_authentic};
use keepward_api::{ApiKeyId, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

pub(super) async fn insert(unit: &Unit<'_>, keyring: &Keyring, key: api_key::Model) -> Result<()> {
    insert_with_mac(unit.connection(), &keyring.sub_keys.row, key).await
}

/// A user's keys, oldest first.
pub(super) async fn of_user(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    user: UserId,
) -> Result<Vec<api_key::Model>> {
    let query = api_key::Entity::find().filter(api_key::Column::UserId.eq(user.0));
    let keys = query.order_by_asc(api_key::Column::CreatedAt).order_by_asc(api_key::Column::Id).all(connection).await?;
    Ok(keys.into_iter().filter(|key| is_authentic(&keyring.sub_keys.row, key)).collect())
}

/// Whether there was such a key of that user.
pub(super) async fn delete(unit: &Unit<'_>, user: Actor, id: ApiKeyId) -> Result<bool> {
    let query = api_key::Entity::delete_many().filter(api_key::Column::Id.eq(id.0));
    let deleted = query.filter(api_key::Column::UserId.eq(user.id())).exec(unit.connection()).await?;
    Ok(deleted.rows_affected == 1)
}
