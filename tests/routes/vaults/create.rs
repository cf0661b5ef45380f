use keepward::types::PolicyPermission::Read;
use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn reserved_and_bad_names_are_400() {
    let organisation = Organisation::new().await;
    let long = "x".repeat(256);
    for name in ["__mine", "", &long, "a\u{0}b", "a\nb", "\u{202e}evil", "a\u{7f}"] {
        let body = json!({"name": name});
        let answer = organisation.http.send("POST", "/v1/vaults", Some(&organisation.owner_token), Some(&body)).await;
        assert!(answer.is_problem(400), "{name:?}: {answer:?}");
    }
    let body = json!({"name": "x".repeat(255)});
    let answer = organisation.http.send("POST", "/v1/vaults", Some(&organisation.owner_token), Some(&body)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(organisation.owner.vaults().list().await.unwrap().vaults.len(), 1, "nothing else was made");
}

#[tokio::test]
async fn an_agents_vault_gives_its_registrar_everything() {
    let organisation = Organisation::new().await;
    let (_, key) = organisation.agent().await;
    let vault = organisation.as_agent(&key).vaults().create("mine").await.unwrap();
    assert_eq!(vault.created_by_type, "agent");
    let policies = organisation.owner.policies().list(vault.id).await.unwrap().policies;
    assert_eq!(policies.len(), 1);
    assert_eq!(policies[0].principal_id, organisation.owner_id.to_string());
    assert_eq!(policies[0].permissions, ["read", "write", "delete"]);
}

#[tokio::test]
async fn a_bound_agent_makes_no_vault_and_reaches_no_other() {
    let organisation = Organisation::new().await;
    let (bound, other) = (organisation.vault().await, organisation.vault().await);
    let made = organisation.owner.agents().register("bound").vault_ids(vec![bound]).await.unwrap();
    for vault in [bound, other] {
        organisation.grant(vault, "**", made.agent.id, &[Read]).await;
        organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    }
    let agent = organisation.as_agent(&made.api_key.unwrap());
    assert!(agent.vaults().create("mine").await.unwrap_err().is_forbidden());
    assert!(agent.secrets().get(bound, "a").await.is_ok());
    assert!(agent.secrets().get(other, "a").await.unwrap_err().is_forbidden());
    let seen: Vec<_> = agent.vaults().list().await.unwrap().vaults.iter().map(|vault| vault.id).collect();
    assert_eq!(seen, [bound]);
}
