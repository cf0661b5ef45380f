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

/// The key, and the tokens that were made from it, end; nothing shows when.
#[tokio::test]
async fn a_key_ends_at_its_time_and_its_tokens_do() {
    let organisation = Organisation::new().await;
    let soon =
        || keepward::Timestamp::from_microseconds(keepward::Timestamp::now().microseconds() + 3_000_000).to_string();
    let owner = Some(organisation.owner_token.as_str());
    let made = json!({"name": "n", "api_key_expires_at": soon()});
    let made = organisation.http.send("POST", "/v1/agents", owner, Some(&made)).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(!made.text.contains("api_key_expires_at"));
    let made = made.json();
    let (id, key) = (made["agent"]["id"].as_str().unwrap(), made["api_key"].as_str().unwrap());
    let exchange = async || {
        let body = json!({"api_key": key});
        organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await
    };
    let token = exchange().await.json();
    assert!(token["expires_in"].as_i64().unwrap() <= 3, "{token}");
    let token = token["access_token"].as_str().unwrap().to_owned();
    let bound = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while organisation.http.get("/v1/agents/me", key).await.status == 200 {
        assert!(std::time::Instant::now() < bound);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(organisation.http.get("/v1/agents/me", &token).await.status, 401);
    assert_eq!(exchange().await.status, 401);
    let path = format!("/v1/agents/{id}");
    let rotate = async || organisation.http.send("POST", &format!("{path}/rotate-key"), owner, None).await;
    assert!(rotate().await.is_problem(409), "a key that is dead already");
    let past = json!({"api_key_expires_at": "2020-01-01T00:00:00Z"});
    assert!(organisation.http.send("PATCH", &path, owner, Some(&past)).await.is_problem(400));
    // Cleared, the key is good again; and what else is changed leaves the end where it is.
    let clear = json!({"api_key_expires_at": null});
    assert_eq!(organisation.http.send("PATCH", &path, owner, Some(&clear)).await.status, 200);
    assert_eq!(exchange().await.status, 200);
    let later = json!({"api_key_expires_at": soon()});
    assert_eq!(organisation.http.send("PATCH", &path, owner, Some(&later)).await.status, 200);
    assert_eq!(organisation.http.send("PATCH", &path, owner, Some(&json!({"name": "m"}))).await.status, 200);
    assert!(exchange().await.json()["expires_in"].as_i64().unwrap() <= 3);
    assert_eq!(rotate().await.status, 200);
}
