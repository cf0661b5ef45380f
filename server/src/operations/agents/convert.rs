//! Agents between wire and rows.

use super::keys::Pairs;
use crate::caller::{AnyCaller, NewKey};
use crate::error::{Error, Result};
use crate::operations::checks;
use crate::store::SealedBytes;
use crate::store::entity::agent::{self, Identity};
use keepward_api::{AgentId, OrgId, Timestamp, UserId, VaultId, types};
use serde::{Deserialize, Serialize};

/// What an agent's transactions are held to, as its row stores it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Guardrails {
    to_allowlist: Vec<String>,
    max_value_eth: Option<String>,
    daily_limit_eth: Option<String>,
    allowed_chains: Vec<String>,
}

/// An agent that was asked for.
pub(super) struct Draft {
    name: String,
    description: String,
    pub(super) auth_method: types::AuthMethod,
    identity: Identity,
    scopes: String,
    pub(super) vault_ids: Vec<VaultId>,
    intents_api_enabled: bool,
    guardrails: Guardrails,
    token_ttl_seconds: Option<i64>,
    expires_at: Option<i64>,
}

/// What an update says; absent fields stay.
pub(super) struct Changes {
    name: Option<String>,
    description: Option<String>,
    scopes: Option<String>,
    is_active: Option<bool>,
    expires_at: Option<Option<i64>>,
    api_key_expires_at: Option<Option<i64>>,
    intents_api_enabled: Option<bool>,
    to_allowlist: Option<Vec<String>>,
    max_value_eth: Option<Option<String>>,
    daily_limit_eth: Option<Option<String>>,
    allowed_chains: Option<Vec<String>>,
    token_ttl_seconds: Option<Option<i64>>,
    pub(super) vault_ids: Option<Vec<VaultId>>,
}

fn ttl(seconds: Option<i32>) -> Result<Option<i64>> {
    match seconds {
        Some(seconds) if !(120..=86_400).contains(&seconds) => {
            Err(Error::field("token_ttl_seconds", "must be 120 to 86400"))
        }
        seconds => Ok(seconds.map(i64::from)),
    }
}

/// A decimal amount of the native coin: no sign, no exponent, at most 18 decimals.
fn amount(field: &str, text: Option<String>) -> Result<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if digits(whole, 30) && digits(fraction, 18) {
        Ok(Some(text))
    } else {
        Err(Error::field(field, "must be a decimal amount such as 0.01 with at most 18 decimals"))
    }
}

fn addresses(list: Vec<String>) -> Result<Vec<String>> {
    let plain = |text: &String| {
        text.strip_prefix("0x").is_some_and(|hex| hex.len() == 40 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if list.len() <= 1000 && list.iter().all(plain) {
        Ok(list)
    } else {
        Err(Error::field("tx_to_allowlist", "must be up to 1,000 addresses of 0x and 40 hex digits"))
    }
}

fn chains(list: Vec<String>) -> Result<Vec<String>> {
    let plain =
        |text: &String| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if list.len() <= 100 && list.iter().all(plain) {
        Ok(list)
    } else {
        Err(Error::field("tx_allowed_chains", "must be up to 100 names or numbers of chains"))
    }
}

fn bound(list: Vec<VaultId>) -> Result<Vec<VaultId>> {
    if list.len() <= 1000 { Ok(list) } else { Err(Error::field("vault_ids", "must be at most 1,000 ids")) }
}

/// Of a field about the key of an agent that has none.
const NO_KEY: &str = "must be left out: this agent has no API key";

fn identity(request: &types::CreateAgentRequest, method: types::AuthMethod, now: Timestamp) -> Result<Identity> {
    let mut identity = Identity::default();
    match method {
        types::AuthMethod::ApiKey => {
            identity.api_key_expires_at = checks::future("api_key_expires_at", request.api_key_expires_at, now)?;
        }
        _ if request.api_key_expires_at.is_some() => return Err(Error::field("api_key_expires_at", NO_KEY)),
        types::AuthMethod::Mtls => {
            let fingerprint = request.client_cert_fingerprint.as_deref().map(str::to_ascii_lowercase);
            let good = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
            let rule = "must be the hex SHA-256 of the client certificate (64 digits)";
            identity.client_cert_fingerprint =
                Some(fingerprint.filter(good).ok_or_else(|| Error::field("client_cert_fingerprint", rule))?);
        }
        types::AuthMethod::OidcClientCredentials => {
            let issuer = request.oidc_issuer.clone().filter(|text| {
                text.starts_with("https://") && text.len() <= 512 && !text.contains(char::is_whitespace)
            });
            let client = request
                .oidc_client_id
                .clone()
                .filter(|text| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control));
            identity.oidc_issuer =
                Some(issuer.ok_or_else(|| Error::field("oidc_issuer", "must be the https address of the issuer"))?);
            identity.oidc_client_id =
                Some(client.ok_or_else(|| Error::field("oidc_client_id", "must be the client's id at the issuer"))?);
        }
    }
    Ok(identity)
}

pub(super) fn draft(request: types::CreateAgentRequest, now: Timestamp) -> Result<Draft> {
    let auth_method = request.auth_method.unwrap_or(types::AuthMethod::ApiKey);
    Ok(Draft {
        auth_method,
        identity: identity(&request, auth_method, now)?,
        name: request.name.into(),
        description: checks::description(request.description)?,
        scopes: checks::scopes(request.scopes)?,
        vault_ids: bound(request.vault_ids.unwrap_or_default())?,
        intents_api_enabled: request.intents_api_enabled.unwrap_or(false),
        guardrails: Guardrails {
            to_allowlist: addresses(request.tx_to_allowlist.unwrap_or_default())?,
            max_value_eth: amount("tx_max_value_eth", request.tx_max_value_eth)?,
            daily_limit_eth: amount("tx_daily_limit_eth", request.tx_daily_limit_eth)?,
            allowed_chains: chains(request.tx_allowed_chains.unwrap_or_default())?,
        },
        token_ttl_seconds: ttl(request.token_ttl_seconds)?,
        expires_at: checks::future("expires_at", request.expires_at, now)?,
    })
}

/// `null` clears a field, and is refused where a field can't be empty.
fn never_empty<T>(field: &str, value: Option<Option<T>>) -> Result<Option<T>> {
    match value {
        Some(None) => Err(Error::field(field, "must not be null")),
        Some(value) => Ok(value),
        None => Ok(None),
    }
}

pub(super) fn changes(request: types::UpdateAgentRequest, now: Timestamp) -> Result<Changes> {
    Ok(Changes {
        name: never_empty("name", request.name)?.map(String::from),
        description: request.description.map(checks::description).transpose()?,
        scopes: request.scopes.map(checks::scopes).transpose()?,
        is_active: never_empty("is_active", request.is_active)?,
        expires_at: request.expires_at.map(|time| checks::future("expires_at", time, now)).transpose()?,
        api_key_expires_at: request
            .api_key_expires_at
            .map(|time| checks::future("api_key_expires_at", time, now))
            .transpose()?,
        intents_api_enabled: never_empty("intents_api_enabled", request.intents_api_enabled)?,
        to_allowlist: request.tx_to_allowlist.map(|list| addresses(list.unwrap_or_default())).transpose()?,
        max_value_eth: request.tx_max_value_eth.map(|text| amount("tx_max_value_eth", text)).transpose()?,
        daily_limit_eth: request.tx_daily_limit_eth.map(|text| amount("tx_daily_limit_eth", text)).transpose()?,
        allowed_chains: request.tx_allowed_chains.map(|list| chains(list.unwrap_or_default())).transpose()?,
        token_ttl_seconds: request.token_ttl_seconds.map(ttl).transpose()?,
        vault_ids: request.vault_ids.map(|list| bound(list.unwrap_or_default())).transpose()?,
    })
}

fn set<T: Clone>(place: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        place.clone_from(value);
    }
}

impl Changes {
    pub(super) fn apply(&self, agent: &mut agent::Model) -> Result<()> {
        set(&mut agent.name, self.name.as_ref());
        set(&mut agent.description, self.description.as_ref());
        set(&mut agent.scopes, self.scopes.as_ref());
        set(&mut agent.expires_at, self.expires_at.as_ref());
        set(&mut agent.intents_api_enabled, self.intents_api_enabled.as_ref());
        set(&mut agent.token_ttl_seconds, self.token_ttl_seconds.as_ref());
        if let Some(is_active) = self.is_active {
            // Tokens from before a deactivation stay dead when the agent is revived.
            agent.generation += i64::from(agent.is_active && !is_active);
            agent.is_active = is_active;
        }
        if let Some(end) = self.api_key_expires_at {
            if end.is_some() && agent.key_hash.is_none() {
                return Err(Error::field("api_key_expires_at", NO_KEY));
            }
            let mut identity: Identity = serde_json::from_str(&agent.identity).map_err(Error::internal)?;
            identity.api_key_expires_at = end;
            agent.identity = serde_json::to_string(&identity).map_err(Error::internal)?;
        }
        if let Some(ids) = &self.vault_ids {
            agent.vault_ids = serde_json::to_string(ids).map_err(Error::internal)?;
        }
        let mut guardrails: Guardrails = serde_json::from_str(&agent.guardrails).map_err(Error::internal)?;
        set(&mut guardrails.to_allowlist, self.to_allowlist.as_ref());
        set(&mut guardrails.max_value_eth, self.max_value_eth.as_ref());
        set(&mut guardrails.daily_limit_eth, self.daily_limit_eth.as_ref());
        set(&mut guardrails.allowed_chains, self.allowed_chains.as_ref());
        agent.guardrails = serde_json::to_string(&guardrails).map_err(Error::internal)?;
        Ok(())
    }
}

pub(super) fn row(
    caller: &AnyCaller,
    draft: &Draft,
    pairs: &Pairs,
    key: Option<&NewKey>,
    now: Timestamp,
) -> Result<agent::Model> {
    Ok(agent::Model {
        id: crate::ids::new(),
        org_id: caller.session().org.0,
        name: draft.name.clone(),
        description: draft.description.clone(),
        auth_method: draft.auth_method.to_string(),
        key_hash: key.map(|key| SealedBytes(key.hash.clone())),
        identity: serde_json::to_string(&draft.identity).map_err(Error::internal)?,
        scopes: draft.scopes.clone(),
        vault_ids: serde_json::to_string(&draft.vault_ids).map_err(Error::internal)?,
        intents_api_enabled: draft.intents_api_enabled,
        guardrails: serde_json::to_string(&draft.guardrails).map_err(Error::internal)?,
        token_ttl_seconds: draft.token_ttl_seconds,
        ssh_public_key: pairs.ssh_public.clone(),
        ecdh_public_key: pairs.ecdh_public.clone(),
        is_active: true,
        created_by: caller.actor().id(),
        generation: 1,
        created_at: now.microseconds(),
        expires_at: draft.expires_at,
        last_active_at: None,
        row_mac: Vec::new(),
    })
}

pub(super) fn response(agent: agent::Model) -> Result<types::AgentResponse> {
    let guardrails: Guardrails = serde_json::from_str(&agent.guardrails).map_err(Error::internal)?;
    let identity: Identity = serde_json::from_str(&agent.identity).map_err(Error::internal)?;
    let time = Timestamp::from_microseconds;
    Ok(types::AgentResponse {
        id: AgentId(agent.id),
        name: agent.name,
        description: agent.description,
        auth_method: agent.auth_method.parse::<types::AuthMethod>().map_err(Error::internal)?.into(),
        scopes: serde_json::from_str(&agent.scopes).map_err(Error::internal)?,
        is_active: agent.is_active,
        intents_api_enabled: agent.intents_api_enabled,
        tx_to_allowlist: guardrails.to_allowlist,
        tx_max_value_eth: guardrails.max_value_eth,
        tx_daily_limit_eth: guardrails.daily_limit_eth,
        tx_allowed_chains: guardrails.allowed_chains,
        token_ttl_seconds: agent.token_ttl_seconds.and_then(|seconds| i32::try_from(seconds).ok()),
        vault_ids: serde_json::from_str(&agent.vault_ids).map_err(Error::internal)?,
        client_cert_fingerprint: identity.client_cert_fingerprint,
        oidc_issuer: identity.oidc_issuer,
        oidc_client_id: identity.oidc_client_id,
        ssh_public_key: Some(agent.ssh_public_key),
        ecdh_public_key: Some(agent.ecdh_public_key),
        created_at: time(agent.created_at),
        expires_at: agent.expires_at.map(time),
        last_active_at: agent.last_active_at.map(time),
        shroud_enabled: false,
    })
}

pub(super) fn self_response(agent: agent::Model) -> Result<types::AgentSelfResponse> {
    let time = Timestamp::from_microseconds;
    Ok(types::AgentSelfResponse {
        id: Some(AgentId(agent.id)),
        name: Some(agent.name),
        description: agent.description,
        org_id: Some(OrgId(agent.org_id)),
        scopes: serde_json::from_str(&agent.scopes).map_err(Error::internal)?,
        is_active: Some(agent.is_active),
        intents_api_enabled: Some(agent.intents_api_enabled),
        created_by: agent.created_by.map(UserId),
        created_at: Some(time(agent.created_at)),
        expires_at: agent.expires_at.map(time),
        last_active_at: agent.last_active_at.map(time),
        ssh_public_key: Some(agent.ssh_public_key),
        ecdh_public_key: Some(agent.ecdh_public_key),
    })
}
