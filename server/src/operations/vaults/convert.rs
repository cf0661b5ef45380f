//! Vaults between wire and rows.

use crate::error::{Error, Result};
use crate::operations::checks;
use crate::store::entity::vault;
use keepward_api::{Timestamp, VaultId, types};

/// A vault that was asked for.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) description: String,
}

pub(super) fn draft(request: types::CreateVaultRequest) -> Result<Draft> {
    if request.name.as_str().trim_start().starts_with("__") {
        return Err(Error::field("name", "must not begin with `__`, which is reserved"));
    }
    Ok(Draft { name: request.name.into(), description: checks::description(request.description)? })
}

pub(super) fn response(vault: vault::Model) -> types::VaultResponse {
    types::VaultResponse {
        id: VaultId(vault.id),
        name: vault.name,
        description: vault.description,
        created_by: vault.created_by.to_string(),
        created_by_type: vault.created_by_type,
        created_at: Timestamp::from_microseconds(vault.created_at),
        cmek_enabled: Some(vault.cmek_enabled),
        cmek_fingerprint: vault.cmek_fingerprint,
    }
}
