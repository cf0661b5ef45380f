//! What is measured: an organisation with an agent that may read and write.

use keepward::VaultId;
use keepward::types::PolicyPermission::{Read, Write};
use keepward_tests::Organisation;
use serde_json::json;

pub struct World {
    pub organisation: Organisation,
    pub vault: VaultId,
    /// A personal key of the owner: it does not end.
    pub owner_key: String,
    pub agent_key: String,
    pub token: String,
}

impl World {
    pub async fn on(url: &str) -> Self {
        let organisation = Organisation::on(url).await;
        let vault = organisation.vault().await;
        let (agent, key) = organisation.agent().await;
        organisation.grant(vault, "load/**", agent, &[Read, Write]).await;
        organisation.owner.secrets().put(vault, "load/secret", "x".repeat(100)).await.unwrap();
        let owner_key =
            organisation.owner.api_keys().create("load").await.unwrap().api_key.unwrap().expose().to_owned();
        let token = agent_token(&organisation, key.expose()).await;
        Self { organisation, vault, owner_key, agent_key: key.expose().to_owned(), token }
    }

    pub fn secret(&self, path: &str) -> String {
        format!("/v1/vaults/{}/secrets/{path}", self.vault)
    }
}

/// The token of an agent's key.
pub async fn agent_token(organisation: &Organisation, key: &str) -> String {
    let answer = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&json!({"api_key": key}))).await;
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
