use super::Prepared;
use crate::{ApiKeyId, Client, Error, Name, Result, types};

/// The signed-in human's personal keys.
pub struct ApiKeys<'a>(pub(crate) &'a Client);

impl<'a> ApiKeys<'a> {
    /// Makes a key; it is in this answer and nowhere else.
    pub fn create<N>(&self, name: N) -> Prepared<'a, types::CreateApiKeyRequest, types::ApiKeyCreatedResponse>
    where
        N: TryInto<Name>,
        Error: From<N::Error>,
    {
        let client = self.0;
        let request = name.try_into().map(|name| types::CreateApiKeyRequest { name, scopes: None, expires_at: None });
        Prepared::new(request.map_err(Error::from), move |request| {
            client.send(client.api().api_key_create().body(request).send())
        })
    }

    /// The human's keys, oldest first.
    pub async fn list(&self) -> Result<types::ApiKeyListResponse> {
        self.0.send(self.0.api().api_key_list().send()).await
    }

    /// Deletes a key, and ends the tokens made from it.
    pub async fn delete(&self, id: ApiKeyId) -> Result<()> {
        self.0.send(self.0.api().api_key_delete().key_id(id).send()).await
    }
}
