use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn a_token_lives_as_its_agent_says_and_never_past_it() {
    let organisation = Organisation::new().await;
    let soon = keepward::Timestamp::now().plus_seconds(300);
    let short = organisation.owner.agents().register("short").token_ttl_seconds(120).await.unwrap();
    let ending = organisation.owner.agents().register("ending").expires_at(soon).await.unwrap();
    let lives = async |key: &keepward::SecretText| {
        let body = json!({"api_key": key.expose()});
        organisation.http.send("POST", "/v1/auth/api-key-token", None, Some(&body)).await.json()["expires_in"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(lives(&short.api_key.unwrap()).await, 120);
    let left = lives(&ending.api_key.unwrap()).await;
    assert!((200..=300).contains(&left), "{left}");
}
