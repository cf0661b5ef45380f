//! What other slices do with secrets.

use super::{convert, rows};
use crate::error::{Error, Result};
use crate::seal::PreparedDek;
use crate::store::entity::{secret_version, vault};
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
    newest: Option<secret_version::Model>,
    path: &SecretPath,
    by: Actor,
    new: &NewVersion,
    dek: &PreparedDek,
) -> Result<secret_version::Model> {
    if dek.kek_id.0 != vault.kek_id {
        return Err(Error::Unavailable { cause: None });
    }
    if newest.as_ref().is_some_and(|newest| newest.version >= i64::from(i32::MAX)) {
        return Err(Error::conflict("This secret has as many versions as there can be."));
    }
    if let Some(former) = &newest {
        rows::supersede(unit, former).await?;
    }
    let (secret_id, former_version) =
        newest.map_or_else(|| (crate::ids::new(), 0), |former| (former.secret_id, former.version));
    let mut version = secret_version::Model {
        secret_id,
        version: former_version + 1,
        vault_id: vault.id,
        path: path.as_str().to_owned(),
        is_newest: Some(true),
        kind: new.kind.clone(),
        metadata: new.metadata.clone(),
        sealed: SealedBytes(Vec::new()),
        wrapped_dek: dek.wrapped.clone(),
        created_by: by.id().unwrap_or_default(),
        created_by_type: by.kind().to_owned(),
        created_at: unit.now().microseconds(),
        expires_at: new.expires_at,
        deleted_at: None,
        max_access_count: new.max_access_count,
        access_count: 0,
        cmek_fingerprint: vault.cmek_fingerprint.clone().filter(|_| vault.cmek_enabled),
    };
    version.sealed =
        dek.seal(&convert::location(OrgId(vault.org_id), path, &version), new.value.expose().as_bytes())?;
    rows::insert(unit, version.clone()).await?;
    Ok(version)
}

/// Removes every secret of a vault that is being deleted.
pub(crate) async fn delete_of_vault(unit: &Unit<'_>, vault: Uuid) -> Result<()> {
    rows::delete_of_vault(unit, vault).await
}
