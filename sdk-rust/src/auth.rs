//! Credentials, and the token that is fetched for them.

use crate::error::{Error, Result};
use crate::generated::Client as Generated;
use crate::transport::send;
use keepward_api::{AgentId, SecretText, types};
use std::time::{Duration, Instant, SystemTime};
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

/// One token for all tasks: whoever needs one first fetches it, the others wait for that, and share its failure.
#[derive(Debug, Default)]
pub(crate) struct TokenCache(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    token: Option<Cached>,
    /// Of the last fetch, if that failed, and when it did.
    failure: Option<(Instant, Error)>,
}

#[derive(Debug)]
struct Cached {
    token: SecretText,
    renew_at: Instant,
    /// The same by the clock on the wall: that of [`Instant`] stands still while a machine sleeps.
    renew_at_time: SystemTime,
}

impl TokenCache {
    /// The token, fetched through `client` (which must not ask for one itself) if there is none that lives long enough.
    pub(crate) async fn token(&self, client: &Generated, credential: &Credential) -> Result<SecretText> {
        if let Credential::Token(token) = credential {
            return Ok(token.clone());
        }
        let waits_since = Instant::now();
        let mut state = self.0.lock().await;
        let is_good = |known: &&Cached| known.renew_at > Instant::now() && known.renew_at_time > SystemTime::now();
        if let Some(known) = state.token.as_ref().filter(is_good) {
            return Ok(known.token.clone());
        }
        if let Some((_, error)) = state.failure.as_ref().filter(|(failed_at, _)| *failed_at >= waits_since) {
            return Err(error.clone());
        }
        let (asked, asked_at) = (Instant::now(), SystemTime::now());
        match fetch(client, credential).await {
            Ok((token, seconds)) => {
                let lifetime = Duration::from_secs(u64::try_from(seconds.unwrap_or(0)).unwrap_or(0));
                // A life too short for that is used up to its half.
                let used = lifetime - EARLY.min(lifetime / 2);
                let (renew_at, renew_at_time) = (asked + used, asked_at + used);
                *state = State { token: Some(Cached { token: token.clone(), renew_at, renew_at_time }), failure: None };
                Ok(token)
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets a token that the server refused, unless another one has taken its place.
    pub(crate) async fn forget(&self, refused: &str) {
        let mut state = self.0.lock().await;
        if state.token.as_ref().is_some_and(|known| known.token.expose() == refused) {
            state.token = None;
        }
    }
}

async fn fetch(client: &Generated, credential: &Credential) -> Result<(SecretText, Option<i32>)> {
    match credential {
        Credential::AgentKey(key) => {
            let request = types::AgentTokenRequest {
                agent_id: None::<AgentId>,
                api_key: Some(key.clone()),
                client_assertion: None,
                format: None,
            };
            let answer = send(client.auth_agent_token().body(request).send()).await?;
            Ok((answer.access_token, answer.expires_in))
        }
        Credential::UserKey(key) => {
            let request = types::UserApiKeyTokenRequest { api_key: key.clone() };
            let answer = send(client.auth_api_key_token().body(request).send()).await?;
            Ok((answer.access_token, answer.expires_in))
        }
        Credential::Password { email, password } => {
            let email = email.as_str().try_into()?;
            let request = types::LoginRequest { email, password: password.clone() };
            let answer = send(client.auth_token().body(request).send()).await?;
            if answer.mfa_required == Some(true) {
                let text = "this account asks for a second factor: log in by hand and give the token";
                return Err(Error::Login(text.to_owned()));
            }
            match answer.access_token {
                Some(token) if !token.expose().is_empty() => Ok((token, answer.expires_in)),
                _ => Err(Error::Login("the server answered the login without a token".to_owned())),
            }
        }
        Credential::Token(token) => Ok((token.clone(), None)),
    }
}
