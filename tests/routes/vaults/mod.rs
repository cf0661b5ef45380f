use keepward::types::PolicyPermission::Read;
use keepward_tests::{Organisation, shared};
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
async fn deletion_takes_secrets_and_policies_with_it() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.grant(vault, "**", agent, &[Read]).await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    organisation.owner.vaults().delete(vault).await.unwrap();
    assert!(organisation.owner.vaults().get(vault).await.unwrap_err().is_not_found());
    assert!(organisation.owner.secrets().get(vault, "a").await.unwrap_err().is_not_found());
    assert!(organisation.owner.policies().list(vault).await.unwrap_err().is_not_found());
    assert!(organisation.as_agent(&key).secrets().get(vault, "a").await.unwrap_err().is_not_found());
    assert!(organisation.owner.vaults().delete(vault).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn the_agents_key_vault_cannot_be_deleted() {
    let organisation = Organisation::new().await;
    organisation.agent().await;
    let vaults = organisation.owner.vaults().list().await.unwrap().vaults;
    let keys = vaults.iter().find(|vault| vault.name == "__agent-keys").unwrap();
    assert_eq!(keys.created_by, organisation.owner_id.to_string());
    assert_eq!(organisation.owner.vaults().delete(keys.id).await.unwrap_err().status(), Some(409));
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
    let made = organisation.owner.agents().register("bound").set(|r| r.vault_ids = Some(vec![bound])).await.unwrap();
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

#[tokio::test]
async fn a_member_sees_their_own_vaults_and_what_policies_give() {
    let organisation = Organisation::new().await;
    let hidden = organisation.vault().await;
    let member = organisation.client(&organisation.member(&shared(), "member").await);
    let admin = organisation.client(&organisation.member(&shared(), "admin").await);
    let own = member.vaults().create("own").await.unwrap().id;
    assert!(member.vaults().get(hidden).await.unwrap_err().is_forbidden());
    assert!(member.secrets().list(hidden, None).await.unwrap_err().is_forbidden());
    assert!(member.policies().list(hidden).await.unwrap_err().is_forbidden());
    let ids = async |client: &keepward::Client| {
        client.vaults().list().await.unwrap().vaults.iter().map(|vault| vault.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&member).await, [own]);
    assert_eq!(ids(&admin).await, [hidden, own], "an admin sees all");
    let member_id = member.account().get().await.unwrap().id.unwrap();
    organisation.owner.policies().create(hidden, "x", member_id, [Read]).await.unwrap();
    assert_eq!(ids(&member).await, [hidden, own]);
    assert!(member.vaults().get(hidden).await.is_ok());
    assert!(member.vaults().delete(hidden).await.unwrap_err().is_forbidden(), "no policy gives that");
}
