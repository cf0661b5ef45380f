//! Personal keys between wire and rows.

use crate::caller::{AnyCaller, NewKey, PersonalKey};
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

/// What a key makes can't outlive it: left out, end and scopes are those of the key that makes it. (Scopes that limit paths
/// are not compared: a key that has some makes none.)
pub(super) fn draft(request: types::CreateApiKeyRequest, maker: Option<&PersonalKey>, now: Timestamp) -> Result<Draft> {
    let expires_at =
        match (checks::future("expires_at", request.expires_at, now)?, maker.and_then(|key| key.expires_at)) {
            (Some(asked), Some(end)) if asked > end.microseconds() => {
                return Err(Error::field("expires_at", "must not be after the end of the key that makes this one"));
            }
            (None, Some(end)) => Some(end.microseconds()),
            (asked, _) => asked,
        };
    let scopes = match (request.scopes.filter(|scopes| !scopes.is_empty()), maker) {
        // As they are stored: an earlier version may have taken what is refused now.
        (None, Some(maker)) => serde_json::to_string(&maker.scopes).map_err(Error::internal)?,
        (asked, _) => checks::scopes(asked)?,
    };
    Ok(Draft { name: request.name.into(), scopes, expires_at })
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
