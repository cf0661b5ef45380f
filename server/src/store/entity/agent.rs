//! A machine principal.

use crate::store::SealedBytes;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "agent")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub description: String,
    #[sea_orm(column_type = "Text")]
    pub auth_method: String,
    pub key_hash: Option<SealedBytes>,
    /// JSON: certificate fingerprint, or issuer and client id, of the other methods.
    #[sea_orm(column_type = "Text")]
    pub identity: String,
    /// JSON list of texts.
    #[sea_orm(column_type = "Text")]
    pub scopes: String,
    /// JSON list of ids; empty is no binding.
    #[sea_orm(column_type = "Text")]
    pub vault_ids: String,
    pub intents_api_enabled: bool,
    /// JSON: what the agent's transactions are held to.
    #[sea_orm(column_type = "Text")]
    pub guardrails: String,
    pub token_ttl_seconds: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub ssh_public_key: String,
    #[sea_orm(column_type = "Text")]
    pub ecdh_public_key: String,
    pub is_active: bool,
    /// The human who registered it.
    pub created_by: Option<Uuid>,
    pub generation: i64,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_active_at: Option<i64>,
    pub row_mac: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
