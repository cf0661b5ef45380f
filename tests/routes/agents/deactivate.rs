use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn deactivation_ends_everything_and_revival_does_not_bring_tokens_back() {
    let organisation = Organisation::new().await;
    let (agent, key) = organisation.agent().await;
    let token =
        organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&json!({"api_key": key.expose()}))).await;
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    organisation.owner.agents().deactivate(agent).await.unwrap();
    assert!(organisation.http.get("/v1/agents/me", &token).await.is_problem(401));
    assert!(organisation.http.get("/v1/agents/me", key.expose()).await.is_problem(401));
    assert!(!organisation.owner.agents().get(agent).await.unwrap().is_active);
    assert_eq!(organisation.owner.agents().list().await.unwrap().agents.len(), 1, "the row is kept");
    organisation.owner.agents().update(agent).is_active(true).await.unwrap();
    assert!(organisation.http.get("/v1/agents/me", &token).await.is_problem(401));
    assert_eq!(organisation.http.get("/v1/agents/me", key.expose()).await.status, 200);
}
