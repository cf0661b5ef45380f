//! A machine principal.

use crate::store::SealedBytes;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

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
    /// JSON: an [`Identity`].
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

/// How an agent proves itself, besides the hash of its key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    pub client_cert_fingerprint: Option<String>,
    pub oidc_issuer: Option<String>,
    pub oidc_client_id: Option<String>,
    /// When its key, and the tokens made from it, end; microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_expires_at: Option<i64>,
}

impl Model {
    /// When its credentials end: the agent, or its key.
    ///
    /// # Errors
    /// If `identity` is no JSON of an [`Identity`].
    pub fn credentials_end(&self) -> serde_json::Result<Option<i64>> {
        // Few have one, and this is on the way of every request.
        let key_end = match self.identity.contains("api_key_expires_at") {
            true => serde_json::from_str::<Identity>(&self.identity)?.api_key_expires_at,
            false => None,
        };
        Ok(self.expires_at.into_iter().chain(key_end).min())
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
