use keepward::types::PolicyPermission::{Read, Write};
use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn bad_policies_are_400_and_nothing_is_stored() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, _) = organisation.agent().await;
    let stranger = Organisation::new().await;
    let good = json!({"secret_path_pattern": "a/**", "principal_type": "agent", "principal_id": agent, "permissions": ["read"]});
    let wrong = [
        ("permissions", json!([])),
        ("permissions", json!(["admin"])),
        ("permissions", json!("read")),
        ("secret_path_pattern", json!("")),
        ("secret_path_pattern", json!("a*")),
        ("secret_path_pattern", json!("a//b")),
        ("secret_path_pattern", json!("a/../b")),
        ("secret_path_pattern", json!("/a")),
        ("principal_type", json!("robot")),
        ("principal_type", json!("user")),
        ("principal_id", json!("x")),
        ("principal_id", json!(stranger.owner_id)),
        ("conditions", json!({"ip_allowlist": ["300.0.0.1"]})),
        ("conditions", json!({"time_window": {"timezone": "Mars"}})),
        ("conditions", json!([])),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
    ];
    for (field, value) in wrong {
        let mut body = good.clone();
        body[field] = value.clone();
        let url = format!("/v1/vaults/{vault}/policies");
        let answer = organisation.http.send("POST", &url, Some(&organisation.owner_token), Some(&body)).await;
        assert!(answer.is_problem(400), "{field} {value}: {answer:?}");
    }
    assert!(organisation.owner.policies().list(vault).await.unwrap().policies.is_empty());
}

#[tokio::test]
async fn conditions_decide_with_the_request() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    let policy = organisation.grant(vault, "**", agent, &[Read]).await.id;
    let agent = organisation.as_agent(&key);
    for (conditions, allowed) in [
        (json!({"ip_allowlist": ["127.0.0.0/8", "::1"]}), true),
        (json!({"ip_allowlist": ["10.0.0.0/8"]}), false),
        (json!({"time_window": {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}}), true),
        (json!({"moon": "full"}), false),
        (json!({}), true),
    ] {
        let map = conditions.as_object().cloned().unwrap();
        organisation.owner.policies().update(vault, policy).conditions(map).await.unwrap();
        assert_eq!(agent.secrets().get(vault, "a").await.is_ok(), allowed, "{conditions}");
    }
}

#[tokio::test]
async fn an_expired_policy_gives_nothing() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    let soon = keepward::Timestamp::from_microseconds(keepward::Timestamp::now().microseconds() + 4_000_000);
    organisation.owner.policies().grant(vault, "**", agent, [Read]).expires_at(soon).await.unwrap();
    let agent = organisation.as_agent(&key);
    let bound = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while agent.secrets().get(vault, "a").await.is_ok() {
        assert!(std::time::Instant::now() < bound);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(keepward::Timestamp::now() >= soon);
    assert!(agent.vaults().list().await.unwrap().vaults.is_empty());
}

#[tokio::test]
async fn a_policy_never_gives_managing() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.grant(vault, "**", agent, &[Read, Write]).await;
    let client = organisation.as_agent(&key);
    assert!(client.policies().list(vault).await.unwrap_err().is_forbidden());
    assert!(client.policies().grant(vault, "**", agent, [Write]).await.unwrap_err().is_forbidden());
    assert!(client.vaults().delete(vault).await.unwrap_err().is_forbidden());
}

/// Every request of the principal reads them: large ones would be paid by everybody.
#[tokio::test]
async fn conditions_are_short() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, _) = organisation.agent().await;
    for (addresses, status) in [(300, 201), (500, 400)] {
        let list = vec!["10.0.0.1"; addresses];
        let body = json!({"secret_path_pattern": "**", "principal_type": "agent", "principal_id": agent,
            "permissions": ["read"], "conditions": {"ip_allowlist": list}});
        let path = format!("/v1/vaults/{vault}/policies");
        let answer = organisation.http.send("POST", &path, Some(&organisation.owner_token), Some(&body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}
