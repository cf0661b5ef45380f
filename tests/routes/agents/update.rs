use keepward_tests::{Organisation, shared};
use serde_json::json;

#[tokio::test]
async fn an_update_changes_what_it_names_and_null_clears() {
    let organisation = Organisation::new().await;
    let (agent, _) = organisation.agent().await;
    let url = format!("/v1/agents/{agent}");
    let patch = async |body: serde_json::Value| {
        organisation.http.send("PATCH", &url, Some(&organisation.owner_token), Some(&body)).await
    };
    let full = json!({"name": "n", "description": "d", "scopes": ["a/**"], "token_ttl_seconds": 600, "tx_max_value_eth": "0.5",
        "tx_allowed_chains": ["base"], "expires_at": "2099-01-01T00:00:00Z", "intents_api_enabled": true});
    let changed = patch(full).await.json();
    assert_eq!(changed["name"], "n");
    let kept = patch(json!({})).await.json();
    assert_eq!(kept, changed, "nothing changes nothing");
    let cleared =
        patch(json!({"description": null, "scopes": null, "token_ttl_seconds": null, "tx_max_value_eth": null,
        "tx_allowed_chains": null, "expires_at": null, "vault_ids": null}))
        .await
        .json();
    assert_eq!(
        (&cleared["description"], &cleared["scopes"], &cleared["tx_allowed_chains"]),
        (&json!(""), &json!([]), &json!([]))
    );
    for gone in ["token_ttl_seconds", "tx_max_value_eth", "expires_at"] {
        assert!(cleared.get(gone).is_none(), "{gone}");
    }
    for bad in [
        json!({"name": null}),
        json!({"name": ""}),
        json!({"token_ttl_seconds": 119}),
        json!({"token_ttl_seconds": 86401}),
        json!({"is_active": null}),
        json!({"intents_api_enabled": null}),
        json!({"expires_at": "2020-01-01T00:00:00Z"}),
        json!({"scopes": ["a*/b"]}),
        json!({"tx_max_value_eth": "-1"}),
        json!({"tx_max_value_eth": "1e5"}),
        json!({"tx_to_allowlist": ["0x1"]}),
        json!({"vault_ids": ["3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10"]}),
        json!({"vault_ids": ["x"]}),
    ] {
        assert!(patch(bad.clone()).await.is_problem(400), "{bad}");
    }
}

#[tokio::test]
async fn who_may_change_an_agent() {
    let organisation = Organisation::new().await;
    let (agent, key) = organisation.agent().await;
    let (other, _) = organisation.agent().await;
    let member = organisation.client(&organisation.member(&shared(), "member").await);
    assert!(member.agents().get(agent).await.is_ok(), "any user lists and gets");
    assert_eq!(member.agents().list().await.unwrap().agents.len(), 2);
    assert!(member.agents().rotate_key(agent).await.unwrap_err().is_forbidden());
    assert!(member.agents().deactivate(agent).await.unwrap_err().is_forbidden());
    let theirs = member.agents().register("theirs").await.unwrap().agent.id;
    assert!(member.agents().rotate_key(theirs).await.is_ok());
    assert!(organisation.owner.agents().rotate_key(theirs).await.is_ok(), "admins and owners change all");
    let itself = organisation.as_agent(&key);
    assert!(itself.agents().get(agent).await.is_ok());
    assert!(itself.agents().get(other).await.unwrap_err().is_forbidden());
    assert!(itself.agents().rotate_key(agent).await.unwrap_err().is_forbidden());
    assert!(itself.agents().list().await.unwrap_err().is_forbidden());
}
