//! A container of secrets under a key-encryption key of its own.

use crate::store::SealedBytes;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "vault")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub description: String,
    pub created_by: Uuid,
    /// `user` or `agent`.
    #[sea_orm(column_type = "Text")]
    pub created_by_type: String,
    pub kek_id: Uuid,
    /// What the keystore needs to find or open the KEK.
    pub kek_record: SealedBytes,
    pub cmek_enabled: bool,
    #[sea_orm(column_type = "Text", nullable)]
    pub cmek_fingerprint: Option<String>,
    pub created_at: i64,
    pub row_mac: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
