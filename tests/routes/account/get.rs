use keepward_tests::{Organisation, shared};
use serde_json::json;

#[tokio::test]
async fn a_human_sees_address_organisation_and_role() {
    let organisation = Organisation::new().await;
    let profile = organisation.http.get("/v1/auth/me", &organisation.owner_token).await.json();
    assert_eq!(profile["email"], json!(organisation.email));
    assert_eq!((&profile["org_id"], &profile["role"]), (&json!(organisation.id), &json!("owner")));
    let member = organisation.member(&shared(), "member").await;
    let profile = organisation.http.get("/v1/auth/me", &member).await.json();
    assert_eq!((&profile["org_id"], &profile["role"]), (&json!(organisation.id), &json!("member")));
}
