use super::Prepared;
use crate::{AgentId, Client, Error, Name, Result, types};

/// Agents: the organisation's machine principals.
pub struct Agents<'a>(pub(crate) &'a Client);

impl<'a> Agents<'a> {
    /// Registers an agent; its key is in this answer and nowhere else.
    pub fn register<N>(&self, name: N) -> Prepared<'a, types::CreateAgentRequest, types::AgentCreatedResponse>
    where
        N: TryInto<Name>,
        Error: From<N::Error>,
    {
        let client = self.0;
        let request = name.try_into().map(|name| types::CreateAgentRequest {
            name,
            description: None,
            auth_method: None,
            scopes: None,
            expires_at: None,
            intents_api_enabled: None,
            tx_to_allowlist: None,
            tx_max_value_eth: None,
            tx_daily_limit_eth: None,
            tx_allowed_chains: None,
            token_ttl_seconds: None,
            vault_ids: None,
            client_cert_fingerprint: None,
            oidc_issuer: None,
            oidc_client_id: None,
        });
        Prepared::new(request.map_err(Error::from), move |request| {
            client.send(client.api().agent_register().body(request).send())
        })
    }

    /// The organisation's agents, oldest first.
    pub async fn list(&self) -> Result<types::AgentListResponse> {
        self.0.send(self.0.api().agent_list().send()).await
    }

    /// The agent that this client acts as.
    pub async fn me(&self) -> Result<types::AgentSelfResponse> {
        self.0.send(self.0.api().agent_me().send()).await
    }

    /// One agent.
    pub async fn get(&self, id: AgentId) -> Result<types::AgentResponse> {
        self.0.send(self.0.api().agent_get().agent_id(id).send()).await
    }

    /// Changes an agent; what is not set stays, `Some(None)` clears.
    pub fn update(&self, id: AgentId) -> Prepared<'a, types::UpdateAgentRequest, types::AgentResponse> {
        let client = self.0;
        let request = types::UpdateAgentRequest {
            name: None,
            description: None,
            scopes: None,
            is_active: None,
            expires_at: None,
            intents_api_enabled: None,
            tx_to_allowlist: None,
            tx_max_value_eth: None,
            tx_daily_limit_eth: None,
            tx_allowed_chains: None,
            token_ttl_seconds: None,
            vault_ids: None,
        };
        Prepared::new(Ok(request), move |request| {
            client.send(client.api().agent_update().agent_id(id).body(request).send())
        })
    }

    /// Ends an agent's key and tokens; its row stays for the audit trail.
    pub async fn deactivate(&self, id: AgentId) -> Result<()> {
        self.0.send(self.0.api().agent_deactivate().agent_id(id).send()).await
    }

    /// Gives an agent a new key; the old one and its tokens are dead at once.
    pub async fn rotate_key(&self, id: AgentId) -> Result<types::AgentKeyRotatedResponse> {
        self.0.send(self.0.api().agent_rotate_key().agent_id(id).send()).await
    }
}
