//! One version of a secret. Vault, path, version, kind, expiry and read limit are bound to its ciphertext; the counter,
//! metadata, creator and times are not.

use crate::store::SealedBytes;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "secret_version")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub secret_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub vault_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    /// JSON object.
    #[sea_orm(column_type = "Text")]
    pub metadata: String,
    pub sealed: SealedBytes,
    pub wrapped_dek: SealedBytes,
    pub created_by: Uuid,
    #[sea_orm(column_type = "Text")]
    pub created_by_type: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub max_access_count: Option<i64>,
    pub access_count: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub cmek_fingerprint: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
