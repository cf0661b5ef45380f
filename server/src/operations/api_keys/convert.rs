//! Personal keys between wire and rows.

use crate::caller::{AnyCaller, NewKey};
use crate::error::{Error, Result};
use crate::operations::checks;
use crate::store::SealedBytes;
use crate::store::entity::api_key;
use keepward_api::{ApiKeyId, Timestamp, types};

/// A key that was asked for.
pub(super) struct Draft {
    name: String,
    scopes: String,
    expires_at: Option<i64>,
}

pub(super) fn draft(request: types::CreateApiKeyRequest, now: Timestamp) -> Result<Draft> {
    Ok(Draft {
        name: request.name.into(),
        scopes: checks::scopes(request.scopes)?,
        expires_at: checks::future("expires_at", request.expires_at, now)?,
    })
}

pub(super) fn row(caller: &AnyCaller, draft: &Draft, key: &NewKey, now: Timestamp) -> api_key::Model {
    api_key::Model {
        id: crate::ids::new(),
        org_id: caller.session().org.0,
        user_id: caller.actor().id().unwrap_or_default(),
        name: draft.name.clone(),
        key_prefix: key.prefix.clone(),
        key_hash: SealedBytes(key.hash.clone()),
        scopes: draft.scopes.clone(),
        is_active: true,
        created_at: now.microseconds(),
        expires_at: draft.expires_at,
        last_used_at: None,
        row_mac: Vec::new(),
    }
}

pub(super) fn response(row: api_key::Model) -> Result<types::ApiKeyResponse> {
    let time = Timestamp::from_microseconds;
    Ok(types::ApiKeyResponse {
        id: Some(ApiKeyId(row.id)),
        name: Some(row.name),
        key_prefix: Some(row.key_prefix),
        scopes: serde_json::from_str(&row.scopes).map_err(Error::internal)?,
        is_active: Some(row.is_active),
        created_at: Some(time(row.created_at)),
        expires_at: row.expires_at.map(time),
        last_used_at: row.last_used_at.map(time),
    })
}
