//! Credentials, and the token that is fetched for them.

use crate::generated::Client as Generated;
use keepward_api::{AgentId, SecretText, types};
use progenitor_client::Error as Raw;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What a client proves itself with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// An agent's key (`ocv_...`), traded for a token when one is needed.
    AgentKey(SecretText),
    /// A human's personal key (`1ck_...`), likewise.
    UserKey(SecretText),
    /// Mail address and password of a human.
    Password { email: String, password: SecretText },
    /// A token that the caller looks after.
    Token(SecretText),
}

/// A token is renewed so long before its end.
const EARLY: Duration = Duration::from_secs(60);

/// One token for all tasks: whoever needs one first fetches it, the others wait for that.
#[derive(Debug, Default)]
pub(crate) struct TokenCache(Mutex<Option<Cached>>);

#[derive(Debug)]
struct Cached {
    token: SecretText,
    renew_at: Instant,
}

impl TokenCache {
    /// The token, fetched through `client` (which must not ask for one itself) if there is none that lives long enough.
    pub(crate) async fn token(&self, client: &Generated, credential: &Credential) -> Result<SecretText, Raw<()>> {
        if let Credential::Token(token) = credential {
            return Ok(token.clone());
        }
        let mut cached = self.0.lock().await;
        if let Some(known) = cached.as_ref().filter(|known| known.renew_at > Instant::now()) {
            return Ok(known.token.clone());
        }
        let asked = Instant::now();
        let (token, seconds) = fetch(client, credential).await?;
        let lifetime = Duration::from_secs(u64::try_from(seconds.unwrap_or(0)).unwrap_or(0));
        // A life too short to be renewed early is used up to its half.
        let renew_at = asked + lifetime.checked_sub(EARLY).unwrap_or(lifetime / 2);
        *cached = Some(Cached { token: token.clone(), renew_at });
        Ok(token)
    }

    /// Forgets a token that the server refused, unless another one has taken its place.
    pub(crate) async fn forget(&self, refused: &str) {
        let mut cached = self.0.lock().await;
        if cached.as_ref().is_some_and(|known| known.token.expose() == refused) {
            *cached = None;
        }
    }
}

async fn fetch(client: &Generated, credential: &Credential) -> Result<(SecretText, Option<i32>), Raw<()>> {
    match credential {
        Credential::AgentKey(key) => {
            let request = types::AgentTokenRequest {
                agent_id: None::<AgentId>,
                api_key: Some(key.clone()),
                client_assertion: None,
                format: None,
            };
            let answer = client.auth_agent_token().body(request).send().await?.into_inner();
            Ok((answer.access_token, answer.expires_in))
        }
        Credential::UserKey(key) => {
            let request = types::UserApiKeyTokenRequest { api_key: key.clone() };
            let answer = client.auth_api_key_token().body(request).send().await?.into_inner();
            Ok((answer.access_token, answer.expires_in))
        }
        Credential::Password { email, password } => {
            let email = email
                .as_str()
                .try_into()
                .map_err(|rule: keepward_api::Invalid| Raw::InvalidRequest(rule.to_string()))?;
            let request = types::LoginRequest { email, password: password.clone() };
            let answer = client.auth_token().body(request).send().await?.into_inner();
            if answer.mfa_required == Some(true) {
                return Err(Raw::Custom(
                    "this account asks for a second factor: log in by hand and give the token".to_owned(),
                ));
            }
            match answer.access_token {
                Some(token) if !token.expose().is_empty() => Ok((token, answer.expires_in)),
                _ => Err(Raw::Custom("the server answered the login without a token".to_owned())),
            }
        }
        Credential::Token(token) => Ok((token.clone(), None)),
    }
}
