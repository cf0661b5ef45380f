use keepward::types::PolicyPermission::{Read, Write};
use keepward_tests::Organisation;

#[tokio::test]
async fn policies_are_shown_to_who_manages_the_vault_and_no_other() {
    let organisation = Organisation::new().await;
    let (vault, other) = (organisation.vault().await, organisation.vault().await);
    let (agent, key) = organisation.agent().await;
    let made = organisation.grant(vault, "a/*", agent, &[Read, Write]).await;
    organisation.grant(other, "b/*", agent, &[Read]).await;
    let listed = organisation.owner.policies().list(vault).await.unwrap().policies;
    assert_eq!(listed.iter().map(|policy| policy.id).collect::<Vec<_>>(), [made.id]);
    assert!(organisation.as_agent(&key).policies().list(vault).await.unwrap_err().is_forbidden());
}
