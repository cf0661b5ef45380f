use crate::{Http, SharedServer, is_pair, shared};
use keepward::{AgentId, Client, ClientBuilder, OrgId, SecretText, UserId, VaultId, types};

/// Keeps the password rule.
pub const PASSWORD: &str = "D3mo!Passw0rd#x7";

/// An organisation of a test's own, seen by its owner.
pub struct Organisation {
    pub http: Http,
    pub owner: Client,
    pub owner_token: String,
    pub owner_id: UserId,
    pub id: OrgId,
    pub email: String,
}

/// What every client of the tests is made with.
pub fn builder(url: &str) -> ClientBuilder {
    let builder = Client::builder().base_url(url);
    if is_pair() { builder.max_idle_connections(0) } else { builder }
}

/// A client of a server with a token.
pub fn client(url: &str, token: &str) -> Client {
    builder(url).token(token).build().unwrap()
}

impl Organisation {
    /// On the shared server.
    pub async fn new() -> Self {
        Self::on(&shared().url).await
    }

    /// On any server.
    pub async fn on(url: &str) -> Self {
        let email = format!("{}@example.com", uuid::Uuid::new_v4());
        let stranger = builder(url).build().unwrap();
        let signed_up = stranger.auth().signup(email.as_str(), PASSWORD).await.unwrap();
        let owner_token = signed_up.access_token.unwrap().expose().to_owned();
        let owner = client(url, &owner_token);
        let profile = owner.account().get().await.unwrap();
        Self {
            http: Http::new(url),
            owner,
            owner_token,
            owner_id: profile.id.unwrap(),
            id: profile.org_id.unwrap(),
            email,
        }
    }

    pub fn client(&self, token: &str) -> Client {
        client(&self.http.url, token)
    }

    /// A member added on the server's host; answers their token.
    pub async fn member(&self, server: &SharedServer, role: &str) -> String {
        let email = format!("{}@example.com", uuid::Uuid::new_v4());
        let printed = server.host(&["user", "add", &email, "--org", &self.id.to_string(), "--role", role]);
        let password = printed.lines().nth(1).unwrap();
        let body = serde_json::json!({"email": email, "password": password});
        let answer = self.http.send("POST", "/v1/auth/token", None, Some(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn vault(&self) -> VaultId {
        self.owner.vaults().create("vault").await.unwrap().id
    }

    /// An agent and its key.
    pub async fn agent(&self) -> (AgentId, SecretText) {
        let made = self.owner.agents().register("agent").await.unwrap();
        (made.agent.id, made.api_key.unwrap())
    }

    /// A client that acts as the agent of a key.
    pub fn as_agent(&self, key: &SecretText) -> Client {
        builder(&self.http.url).agent_key(key.clone()).build().unwrap()
    }

    /// Lets an agent do something at a pattern.
    pub async fn grant(
        &self,
        vault: VaultId,
        pattern: &str,
        agent: AgentId,
        permissions: &[types::PolicyPermission],
    ) -> types::PolicyResponse {
        self.owner.policies().grant(vault, pattern, agent, permissions.iter().copied()).await.unwrap()
    }

    /// The newest events, newest first.
    pub async fn events(&self) -> Vec<types::AuditEvent> {
        self.owner.audit().events().await.unwrap().events
    }
}
