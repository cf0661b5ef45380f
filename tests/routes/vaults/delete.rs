use keepward::types::PolicyPermission::Read;
use keepward_tests::Organisation;

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
