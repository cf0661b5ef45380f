//! What other slices do with secrets.

use super::{convert, rows};
use crate::error::{Error, Result};
use crate::seal::PreparedDek;
use crate::store::entity::{secret, secret_version, vault};
use crate::store::{Actor, SealedBytes, Unit};
use keepward_api::{OrgId, SecretPath, SecretText};
use uuid::Uuid;

/// A version to be written, checked.
pub(crate) struct NewVersion {
    pub(crate) kind: String,
    pub(crate) value: SecretText,
    pub(crate) metadata: String,
    pub(crate) expires_at: Option<i64>,
    pub(crate) max_access_count: Option<i64>,
}

/// Writes the next version at a path, sealed for exactly its place. The DEK was made before the unit; if the vault's KEK is
/// another by now, the unit refuses itself.
pub(crate) async fn write(
    unit: &mut Unit<'_>,
    vault: &vault::Model,
    present: Option<secret::Model>,
    path: &SecretPath,
    by: Actor,
    new: &NewVersion,
    dek: &PreparedDek,
) -> Result<(secret::Model, secret_version::Model)> {
    if dek.kek_id.0 != vault.kek_id {
        return Err(Error::Unavailable { cause: None });
    }
    let now = unit.now().microseconds();
    let is_new = present.is_none();
    let mut secret = present.unwrap_or_else(|| secret::Model {
        id: crate::ids::new(),
        org_id: vault.org_id,
        vault_id: vault.id,
        path: path.as_str().to_owned(),
        version: 0,
        created_at: now,
        deleted_at: None,
    });
    secret.version += 1;
    secret.deleted_at = None;
    let mut version = secret_version::Model {
        secret_id: secret.id,
        version: secret.version,
        vault_id: vault.id,
        kind: new.kind.clone(),
        metadata: new.metadata.clone(),
        sealed: SealedBytes(Vec::new()),
        wrapped_dek: dek.wrapped.clone(),
        created_by: by.id().unwrap_or_default(),
        created_by_type: by.kind().to_owned(),
        created_at: now,
        expires_at: new.expires_at,
        max_access_count: new.max_access_count,
        access_count: 0,
        cmek_fingerprint: vault.cmek_fingerprint.clone().filter(|_| vault.cmek_enabled),
    };
    version.sealed =
        dek.seal(&convert::location(OrgId(vault.org_id), path, &version), new.value.expose().as_bytes())?;
    if is_new {
        rows::insert_secret(unit, secret.clone()).await?;
    } else {
        rows::raise_version(unit, &secret).await?;
    }
    rows::insert_version(unit, version.clone()).await?;
    Ok((secret, version))
}

/// Removes every secret of a vault that is being deleted.
pub(crate) async fn delete_of_vault(unit: &Unit<'_>, vault: Uuid) -> Result<()> {
    rows::delete_of_vault(unit, vault).await
}
