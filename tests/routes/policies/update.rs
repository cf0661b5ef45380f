use keepward::types::PolicyPermission::Read;
use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn an_update_changes_what_it_names_and_null_clears() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, _) = organisation.agent().await;
    let policy = organisation.grant(vault, "a/*", agent, &[Read]).await;
    let url = format!("/v1/vaults/{vault}/policies/{}", policy.id);
    let put = async |body: serde_json::Value| {
        organisation.http.send("PUT", &url, Some(&organisation.owner_token), Some(&body)).await
    };
    let changed = put(
        json!({"expires_at": "2099-01-01T00:00:00Z", "permissions": ["read", "write"], "secret_path_pattern": "**"}),
    )
    .await
    .json();
    assert_eq!(changed["permissions"], json!(["read", "write"]));
    assert_eq!(changed["secret_path_pattern"], "a/*", "what can't change is ignored");
    let kept = put(json!({"conditions": {"ip_allowlist": ["127.0.0.1"]}})).await.json();
    assert_eq!((&kept["expires_at"], &kept["permissions"]), (&changed["expires_at"], &changed["permissions"]));
    let cleared = put(json!({"expires_at": null, "conditions": null})).await.json();
    assert!(cleared.get("expires_at").is_none());
    assert_eq!(cleared["conditions"], json!({}));
    for bad in [json!({"permissions": null}), json!({"permissions": []}), json!({"expires_at": "2020-01-01T00:00:00Z"})]
    {
        assert!(put(bad).await.is_problem(400));
    }
}
