use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn an_agent_sees_itself_and_a_human_is_refused() {
    let organisation = Organisation::new().await;
    let (id, key) = organisation.agent().await;
    let me = organisation.http.get("/v1/agents/me", key.expose()).await.json();
    assert_eq!(me["id"], json!(id));
    assert!(organisation.http.get("/v1/agents/me", &organisation.owner_token).await.is_problem(403));
}
