//! One version of a secret. Organisation, vault, id, path, version, kind, expiry, read limit and whether the client has
//! encrypted it are bound to its ciphertext; the counter, metadata, creator, times of making and deletion and `is_newest`
//! are not. Of the versions at a path one is the newest, and stands for the secret: a read is one search by vault and path.

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
    pub path: String,
    /// True, or absent: a unique index takes what is absent for different each time.
    pub is_newest: Option<bool>,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    pub created_by: Uuid,
    #[sea_orm(column_type = "Text")]
    pub created_by_type: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    /// Of the newest version: when the secret was deleted.
    pub deleted_at: Option<i64>,
    pub max_access_count: Option<i64>,
    pub access_count: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub cmek_fingerprint: Option<String>,
    pub wrapped_dek: SealedBytes,
    /// JSON object.
    #[sea_orm(column_type = "Text")]
    pub metadata: String,
    pub sealed: SealedBytes,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
