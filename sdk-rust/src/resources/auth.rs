use super::Prepared;
use crate::{Client, Email, Error, Result, SecretText, types};

/// Signing up, and tokens by hand; a client with a key fetches its tokens by itself.
pub struct Auth<'a>(pub(crate) &'a Client);

impl<'a> Auth<'a> {
    /// Signs a human up and makes an organisation with them as its owner.
    pub fn signup<E>(
        &self,
        email: E,
        password: impl Into<SecretText>,
    ) -> Prepared<'a, types::SignupRequest, types::SignupResponse>
    where
        E: TryInto<Email>,
        Error: From<E::Error>,
    {
        let client = self.0;
        let password = password.into();
        let request = email.try_into().map(|email| types::SignupRequest { email, password, display_name: None });
        Prepared::new(request.map_err(Error::from), move |request| {
            client.send(client.api().auth_signup().body(request).send())
        })
    }

    /// Ends the token that this client uses now; a client with a key fetches another at its next call.
    pub async fn revoke(&self) -> Result<()> {
        self.0.send(self.0.api().auth_revoke().send()).await
    }

    /// The public keys that verify access tokens.
    pub async fn jwks(&self) -> Result<types::JwksResponse> {
        self.0.send(self.0.api().auth_jwks().send()).await
    }
}
