//! What one principal may do at the paths that one pattern matches.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "policy")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: Uuid,
    pub vault_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub pattern: String,
    /// The pattern's text before its first wildcard segment; what the index finds a path's policies by.
    #[sea_orm(column_type = "Text")]
    pub literal_prefix: String,
    #[sea_orm(column_type = "Text")]
    pub principal_type: String,
    pub principal_id: Uuid,
    /// Bits: 1 read, 2 write, 4 delete.
    pub permissions: i64,
    /// JSON object.
    #[sea_orm(column_type = "Text")]
    pub conditions: String,
    pub expires_at: Option<i64>,
    pub created_by: Uuid,
    #[sea_orm(column_type = "Text")]
    pub created_by_type: String,
    pub created_at: i64,
    pub row_mac: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
