use keepward::types::PolicyPermission::Read;
use keepward_tests::Organisation;

#[tokio::test]
async fn who_holds_no_grant_in_a_vault_is_refused_and_a_policy_shows_it() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (id, key) = organisation.agent().await;
    let agent = organisation.as_agent(&key);
    assert!(agent.vaults().get(vault).await.unwrap_err().is_forbidden());
    assert!(agent.secrets().list(vault).await.unwrap_err().is_forbidden());
    let policy = organisation.grant(vault, "a/*", id, &[Read]).await;
    assert_eq!(agent.vaults().get(vault).await.unwrap().id, vault);
    organisation.owner.policies().delete(vault, policy.id).await.unwrap();
    assert!(agent.vaults().get(vault).await.unwrap_err().is_forbidden());
}
