use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn a_deleted_key_and_the_tokens_made_from_it_are_refused() {
    let organisation = Organisation::new().await;
    let made = organisation.owner.api_keys().create("k").await.unwrap();
    let (key, id) = (made.api_key.unwrap(), made.key.unwrap().id.unwrap());
    let token =
        organisation.http.send("POST", "/v1/auth/api-key-token", None, Some(&json!({"api_key": key.expose()}))).await;
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(organisation.http.get("/v1/auth/me", &token).await.status, 200);
    organisation.owner.api_keys().delete(id).await.unwrap();
    assert!(organisation.http.get("/v1/auth/me", &token).await.is_problem(401));
    assert!(organisation.http.get("/v1/auth/me", key.expose()).await.is_problem(401));
    assert!(organisation.owner.api_keys().delete(id).await.unwrap_err().is_not_found());
}
