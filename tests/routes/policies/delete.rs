use keepward::types::PolicyPermission::Read;
use keepward_tests::Organisation;

#[tokio::test]
async fn a_deleted_policy_gives_nothing_with_the_next_request() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    let policy = organisation.grant(vault, "**", agent, &[Read]).await;
    let agent = organisation.as_agent(&key);
    assert!(agent.secrets().get(vault, "a").await.is_ok());
    organisation.owner.policies().delete(vault, policy.id).await.unwrap();
    assert!(agent.secrets().get(vault, "a").await.unwrap_err().is_forbidden());
    assert!(organisation.owner.policies().delete(vault, policy.id).await.unwrap_err().is_not_found());
}
