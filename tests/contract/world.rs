//! An organisation with one of everything, and requests in it that succeed.

use keepward::{AgentId, PolicyId, VaultId, types};
use keepward_tests::document::Operation;
use keepward_tests::{Answer, Organisation};
use serde_json::{Value, json};

pub struct World {
    pub organisation: Organisation,
    pub vault: VaultId,
    pub agent: AgentId,
    pub agent_key: String,
    pub agent_token: String,
    pub user_key: String,
    pub policy: PolicyId,
    pub key_id: String,
}

impl World {
    pub async fn new() -> Self {
        let organisation = Organisation::new().await;
        let vault = organisation.vault().await;
        organisation.owner.secrets().put(vault, "api-keys/openai", "value").await.unwrap();
        let (agent, agent_key) = organisation.agent().await;
        let all = [types::PolicyPermission::Read, types::PolicyPermission::Write, types::PolicyPermission::Delete];
        let policy = organisation.grant(vault, "**", agent, &all).await.id;
        let body = json!({"api_key": agent_key.expose()});
        let token = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await;
        let user_key = organisation.owner.api_keys().create("kept").await.unwrap();
        let key = organisation.owner.api_keys().create("to be deleted").await.unwrap();
        Self {
            vault,
            agent,
            agent_key: agent_key.expose().to_owned(),
            agent_token: token.json()["access_token"].as_str().unwrap().to_owned(),
            user_key: user_key.api_key.unwrap().expose().to_owned(),
            policy,
            key_id: key.key.unwrap().id.unwrap().to_string(),
            organisation,
        }
    }

    /// The operation's path in this organisation.
    pub fn path(&self, operation: &Operation) -> String {
        let mut path = operation.path.clone();
        for (variable, value) in [
            ("{vault_id}", self.vault.to_string()),
            ("{agent_id}", self.agent.to_string()),
            ("{policy_id}", self.policy.to_string()),
            ("{key_id}", self.key_id.clone()),
            ("{path}", "api-keys/openai".to_owned()),
        ] {
            path = path.replace(variable, &value);
        }
        // What planned operations name.
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, "3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10");
        }
        path
    }

    /// Read with the personal key, which outlives the owner's token.
    pub async fn newest_event(&self) -> types::AuditEvent {
        let reader = self.organisation.client(&self.user_key);
        reader.audit().events().await.unwrap().events.into_iter().next().unwrap()
    }

    /// A bearer of the kind that the operation asks for; `None` for public ones.
    pub fn bearer(&self, operation: &Operation) -> Option<&str> {
        match operation.caller.as_str() {
            "public" => None,
            "agent" => Some(&self.agent_token),
            _ => Some(&self.organisation.owner_token),
        }
    }

    /// The document's example with this organisation's ids and keys in it, and nothing else changed.
    pub fn body(&self, operation: &Operation) -> Option<Value> {
        let mut body = operation.example()?;
        let fields = body.as_object_mut().unwrap();
        if fields.contains_key("principal_id") {
            fields.insert("principal_id".into(), json!(self.agent));
        }
        if fields.contains_key("vault_ids") {
            fields.insert("vault_ids".into(), json!([self.vault]));
        }
        match operation.id.as_str() {
            "auth_signup" => {
                drop(fields.insert("email".into(), json!(format!("{}@example.com", uuid::Uuid::new_v4()))))
            }
            "auth_token" => drop(fields.insert("email".into(), json!(self.organisation.email))),
            "auth_agent_token" => drop(fields.insert("api_key".into(), json!(self.agent_key))),
            "auth_api_key_token" => drop(fields.insert("api_key".into(), json!(self.user_key))),
            _ => {}
        }
        Some(body)
    }

    pub async fn send(&self, operation: &Operation, bearer: Option<&str>, body: Option<&Value>) -> Answer {
        self.organisation.http.send(&operation.method, &self.path(operation), bearer, body).await
    }

    /// The request that succeeds.
    pub async fn succeed(&self, operation: &Operation) -> Answer {
        self.send(operation, self.bearer(operation), self.body(operation).as_ref()).await
    }
}
