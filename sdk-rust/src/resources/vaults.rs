use super::Prepared;
use crate::{Client, Error, Name, Result, VaultId, types};

/// Vaults.
pub struct Vaults<'a>(pub(crate) &'a Client);

impl<'a> Vaults<'a> {
    /// Makes a vault.
    pub fn create<N>(&self, name: N) -> Prepared<'a, types::CreateVaultRequest, types::VaultResponse>
    where
        N: TryInto<Name>,
        Error: From<N::Error>,
    {
        let client = self.0;
        let request = name.try_into().map(|name| types::CreateVaultRequest { name, description: None });
        Prepared::new(request.map_err(Error::from), move |request| {
            client.send(client.api().vault_create().body(request).send())
        })
    }

    /// The vaults that this principal may see, oldest first.
    pub async fn list(&self) -> Result<types::VaultListResponse> {
        self.0.send(self.0.api().vault_list().send()).await
    }

    /// One vault.
    pub async fn get(&self, id: VaultId) -> Result<types::VaultResponse> {
        self.0.send(self.0.api().vault_get().vault_id(id).send()).await
    }

    /// Deletes a vault with its secrets and policies; nothing of it can be opened again.
    pub async fn delete(&self, id: VaultId) -> Result<()> {
        self.0.send(self.0.api().vault_delete().vault_id(id).send()).await
    }
}
