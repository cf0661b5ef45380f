//! Secrets between wire and rows.

use super::rows::Description;
use super::service::NewVersion;
use crate::caller::{AnyCaller, lookup};
use crate::error::{Error, Result};
use crate::operations::checks;
use crate::seal::{Location, Opened};
use crate::store::Event;
use crate::store::entity::secret_version;
use keepward_api::{Open, OrgId, SecretId, SecretPath, Timestamp, VaultId, types};
use uuid::Uuid;

/// Checks what a PUT states; left-out fields take their defaults, nothing is inherited.
pub(super) fn new_version(request: types::PutSecretRequest, now: Timestamp) -> Result<NewVersion> {
    let max_access_count = match request.max_access_count {
        Some(count) if count < 1 => return Err(Error::field("max_access_count", "must be 1 or more")),
        count => count.map(i64::from),
    };
    // Kept by nobody yet, but held to the same size as what is.
    checks::object("rotation_policy", request.rotation_policy, checks::MAX_METADATA_BYTES)?;
    Ok(NewVersion {
        kind: request.type_.unwrap_or(types::SecretType::Generic).to_string(),
        value: request.value,
        metadata: checks::object("metadata", request.metadata, checks::MAX_METADATA_BYTES)?,
        expires_at: checks::future("expires_at", request.expires_at, now)?,
        max_access_count,
    })
}

/// Where a version's value is sealed.
pub(super) fn location<'a>(org: OrgId, path: &'a SecretPath, version: &'a secret_version::Model) -> Location<'a> {
    Location {
        org,
        vault: VaultId(version.vault_id),
        secret: SecretId(version.secret_id),
        version: version.version,
        path,
        kind: &version.kind,
        cmek: version.cmek_fingerprint.is_some(),
        expires_at: version.expires_at.map(Timestamp::from_microseconds),
        max_access_count: version.max_access_count,
    }
}

pub(super) fn event(caller: &AnyCaller, action: &'static str, secret: Uuid, key: &lookup::Secret) -> Event {
    caller.event(action, ("secret", secret)).with("vault_id", key.vault_id).with("path", &key.path)
}

fn kind(stored: &str) -> Open<types::SecretType> {
    stored.parse().map_or_else(|_| Open::Other(stored.to_owned()), Open::Known)
}

fn version_number(stored: i64) -> i32 {
    i32::try_from(stored).unwrap_or(i32::MAX)
}

pub(super) fn response(version: secret_version::Model, value: Opened) -> Result<types::SecretResponse> {
    Ok(types::SecretResponse {
        id: SecretId(version.secret_id),
        type_: kind(&version.kind),
        version: version_number(version.version),
        path: version.path,
        value: value.into_text()?,
        metadata: serde_json::from_str(&version.metadata).map_err(Error::internal)?,
        created_by: format!("{}:{}", version.created_by_type, version.created_by),
        created_at: Timestamp::from_microseconds(version.created_at),
        expires_at: version.expires_at.map(Timestamp::from_microseconds),
        cmek_encrypted: Some(version.cmek_fingerprint.is_some()),
    })
}

pub(super) fn metadata(version: Description) -> types::SecretMetadataResponse {
    types::SecretMetadataResponse {
        id: SecretId(version.secret_id),
        type_: kind(&version.kind),
        version: version_number(version.version),
        path: version.path,
        metadata: serde_json::from_str(&version.metadata).unwrap_or_default(),
        created_at: Timestamp::from_microseconds(version.created_at),
        expires_at: version.expires_at.map(Timestamp::from_microseconds),
    }
}
