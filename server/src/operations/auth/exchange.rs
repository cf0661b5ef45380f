//! Trading a key for a token.

use crate::app::App;
use crate::caller::{
    AGENT_TOKEN_SECONDS, AgentCaller, AnyCaller, Claims, Credential, IssuedToken, KeyKind, USER_TOKEN_SECONDS,
    UserCaller, Visitor, hash_key, load, lookup, network,
};
use crate::error::{Error, Result};
use crate::operations::vaults;
use keepward_api::{AgentId, VaultId};
use std::sync::Arc;

const WRONG_KEY: Error = Error::Unauthenticated { detail: "The key is not valid." };

/// Whose key it is, if it is good; charged to the key if it is, else to the address.
pub(super) async fn prove(app: &App, visitor: Visitor, key: &str) -> Result<AnyCaller> {
    let Some(kind) = KeyKind::of(key) else { return Err(refuse(app, visitor)) };
    let credential = Arc::new(Credential::Key { kind, hashes: hash_key(key, &app.keyring.sub_keys) });
    let readers = &app.database.readers();
    let proven = load(readers, &app.keyring, &credential, None::<&lookup::Nothing>, visitor.now, visitor.address);
    match app.database.read(proven).await {
        Ok((caller, _)) => {
            app.limits.charge_key_exchange(caller.actor().id().unwrap_or_default()).map_err(|retry_after_seconds| {
                let limit = Some("of one key, 100 exchanges at once, then 10 a second");
                Error::RateLimited { retry_after_seconds, limit }
            })?;
            app.activity.note(caller.actor(), caller.session().key.as_ref().map(|key| key.id), visitor.now);
            Ok(caller)
        }
        Err(Error::Unauthenticated { .. }) => Err(refuse(app, visitor)),
        Err(error) => Err(error),
    }
}

fn refuse(app: &App, visitor: Visitor) -> Error {
    app.refusals.count(network(visitor.address), "auth.failure");
    WRONG_KEY
}

/// The agent of a key; another agent's id beside it is as wrong as a wrong key.
pub(super) async fn agent(app: &App, visitor: Visitor, key: &str, expected: Option<AgentId>) -> Result<AgentCaller> {
    match prove(app, visitor, key).await? {
        AnyCaller::Agent(agent) if expected.is_none_or(|id| id == agent.id()) => Ok(agent),
        _ => Err(refuse(app, visitor)),
    }
}

/// The error of an exchange without a key. It never depends on the agent, so agent ids can't be probed.
pub(super) fn without_key(has_assertion: bool) -> Error {
    match has_assertion {
        true => Error::NotImplemented { detail: "Client assertions come with a later version." },
        false => Error::field("api_key", "must be given; client certificates come with a later version"),
    }
}

/// Copies in a token are information, and a token has to fit a header: of long lists it holds the beginning.
const MAX_CLAIMED: usize = 40;

fn short(scopes: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let fits = |scope: &String| {
        bytes += scope.len();
        bytes <= 2048
    };
    scopes.into_iter().take_while(fits).take(MAX_CLAIMED).collect()
}

/// A token that lives as its agent says, never past the agent's own end.
pub(super) async fn issue_agent(app: &App, caller: &AgentCaller) -> Result<IssuedToken> {
    let (agent, now) = (&caller.agent, caller.session.now);
    let asked = agent.token_ttl_seconds.unwrap_or(AGENT_TOKEN_SECONDS);
    let end = agent.credentials_end().map_err(Error::internal)?;
    let left = end.map_or(asked, |end| (end - now.microseconds()) / 1_000_000);
    let mut claims =
        Claims::new(caller.any().actor(), caller.session.org, agent.generation, now, asked.min(left).max(1));
    claims.scopes = short(serde_json::from_str(&agent.scopes).map_err(Error::internal)?);
    claims.vault_ids = serde_json::from_str(&agent.vault_ids).map_err(Error::internal)?;
    claims.vault_ids.truncate(MAX_CLAIMED);
    claims.intents_api_enabled = agent.intents_api_enabled;
    app.tokens.issue(&claims).await
}

/// A token under the personal key's scopes, which ends with the key.
pub(super) async fn issue_user(app: &App, caller: &UserCaller) -> Result<IssuedToken> {
    let (actor, now) = (caller.any().actor(), caller.session.now);
    let key = caller.session.key.as_ref().ok_or_else(|| Error::internal("a personal key without its row"))?;
    let left = key.expires_at.map_or(USER_TOKEN_SECONDS, |end| (end.microseconds() - now.microseconds()) / 1_000_000);
    let lifetime = left.clamp(1, USER_TOKEN_SECONDS);
    let mut claims = Claims::new(actor, caller.session.org, caller.user.generation, now, lifetime);
    claims.key = Some(key.id);
    claims.scopes = short(key.scopes.clone());
    app.tokens.issue(&claims).await
}

/// The binding; when unbound, the vaults that the agent can read now, oldest first.
pub(super) async fn vaults_of(app: &App, caller: &AgentCaller) -> Result<Vec<VaultId>> {
    let binding: Vec<VaultId> = serde_json::from_str(&caller.agent.vault_ids).map_err(Error::internal)?;
    if !binding.is_empty() {
        return Ok(binding);
    }
    vaults::service::readable_ids(&app.database, &app.keyring, &caller.any()).await
}
