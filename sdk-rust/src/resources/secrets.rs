use super::Prepared;
use crate::{Client, Error, Result, SecretPath, SecretText, VaultId, types};

/// Secrets: versioned values at paths of a vault. A path that breaks the rule of [`SecretPath`] is an
/// [`Error::InvalidArgument`], and nothing is sent.
pub struct Secrets<'a>(pub(crate) &'a Client);

impl<'a> Secrets<'a> {
    /// Reads the newest version. The value does not print; [`SecretText::expose`] is the way to it.
    pub async fn get<P>(&self, vault: VaultId, path: P) -> Result<types::SecretResponse>
    where
        P: TryInto<SecretPath>,
        Error: From<P::Error>,
    {
        let path = path.try_into()?;
        self.0.send(self.0.api().secret_get().vault_id(vault).path(path).send()).await
    }

    /// Writes a new version. A PUT states the whole version: what is not set takes its default. It is never repeated by
    /// itself, since each one makes a version.
    pub fn put<P>(
        &self,
        vault: VaultId,
        path: P,
        value: impl Into<SecretText>,
    ) -> Prepared<'a, types::PutSecretRequest, types::SecretMetadataResponse>
    where
        P: TryInto<SecretPath>,
        Error: From<P::Error>,
    {
        let client = self.0;
        let path: Result<SecretPath> = path.try_into().map_err(Error::from);
        let request = types::PutSecretRequest {
            value: value.into(),
            type_: None,
            metadata: None,
            expires_at: None,
            rotation_policy: None,
            max_access_count: None,
        };
        Prepared::new(Ok(request), move |request| async move {
            client.send(client.api().secret_put().vault_id(vault).path(path?).body(request).send()).await
        })
    }

    /// Deletes all versions; a later PUT goes on counting them.
    pub async fn delete<P>(&self, vault: VaultId, path: P) -> Result<()>
    where
        P: TryInto<SecretPath>,
        Error: From<P::Error>,
    {
        let path = path.try_into()?;
        self.0.send(self.0.api().secret_delete().vault_id(vault).path(path).send()).await
    }

    /// The secrets that this principal may read, without values; `prefix` is a plain text that paths begin with.
    pub async fn list(&self, vault: VaultId, prefix: Option<&str>) -> Result<types::SecretListResponse> {
        let call = self.0.api().secret_list().vault_id(vault);
        let call = match prefix {
            Some(prefix) => call.prefix(prefix),
            None => call,
        };
        self.0.send(call.send()).await
    }
}
