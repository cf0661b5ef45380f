use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn rotation_ends_the_old_key_and_its_tokens() {
    let organisation = Organisation::new().await;
    let (agent, key) = organisation.agent().await;
    let token =
        organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&json!({"api_key": key.expose()}))).await;
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(organisation.http.get("/v1/agents/me", &token).await.status, 200);
    let rotated = organisation.owner.agents().rotate_key(agent).await.unwrap().api_key.unwrap();
    assert!(organisation.http.get("/v1/agents/me", &token).await.is_problem(401));
    assert!(organisation.http.get("/v1/agents/me", key.expose()).await.is_problem(401));
    assert_eq!(organisation.http.get("/v1/agents/me", rotated.expose()).await.status, 200);
}
