//! Writing rows. Those with authority get their MAC on the way in.

use super::mac::{RowMac, with_mac};
use crate::error::Result;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable,
    ModelTrait, PrimaryKeyToColumn, QueryFilter,
};

/// Inserts a row that carries no authority.
pub async fn insert<M>(connection: &impl ConnectionTrait, model: M) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send,
    M::Entity: EntityTrait<Model = M>,
{
    M::Entity::insert(model.into_active_model().reset_all()).exec_without_returning(connection).await?;
    Ok(())
}

/// Inserts a row under its MAC.
pub async fn insert_with_mac<M>(connection: &impl ConnectionTrait, mac: &dyn RowMac, model: M) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send,
    M::Entity: EntityTrait<Model = M> + Default,
{
    insert(connection, with_mac(mac, model)?).await
}

/// Writes every column of a row that was read, checked and changed, under a new MAC.
pub async fn update_with_mac<M>(connection: &impl ConnectionTrait, mac: &dyn RowMac, model: M) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send,
    M::Entity: EntityTrait<Model = M> + Default,
{
    let model = with_mac(mac, model)?;
    let mut update = M::Entity::update_many();
    for key in <M::Entity as EntityTrait>::PrimaryKey::iter() {
        let column = key.into_column();
        update = update.filter(column.eq(model.get(column)));
    }
    update.set(model.into_active_model().reset_all()).exec(connection).await?;
    Ok(())
}
