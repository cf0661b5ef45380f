use keepward::types::PolicyPermission::Read;
use keepward_tests::{Organisation, shared};

#[tokio::test]
async fn a_member_sees_their_own_vaults_and_what_policies_give() {
    let organisation = Organisation::new().await;
    let hidden = organisation.vault().await;
    let member = organisation.client(&organisation.member(&shared(), "member").await);
    let admin = organisation.client(&organisation.member(&shared(), "admin").await);
    let own = member.vaults().create("own").await.unwrap().id;
    assert!(member.vaults().get(hidden).await.unwrap_err().is_forbidden());
    assert!(member.secrets().list(hidden).await.unwrap_err().is_forbidden());
    assert!(member.policies().list(hidden).await.unwrap_err().is_forbidden());
    let ids = async |client: &keepward::Client| {
        client.vaults().list().await.unwrap().vaults.iter().map(|vault| vault.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&member).await, [own]);
    assert_eq!(ids(&admin).await, [hidden, own], "an admin sees all");
    let member_id = member.account().get().await.unwrap().id.unwrap();
    organisation.owner.policies().grant(hidden, "x", member_id, [Read]).await.unwrap();
    assert_eq!(ids(&member).await, [hidden, own]);
    assert!(member.vaults().get(hidden).await.is_ok());
    assert!(member.vaults().delete(hidden).await.unwrap_err().is_forbidden(), "no policy gives that");
}

/// Clients take the first vault for their default.
#[tokio::test]
async fn the_agents_keys_are_last() {
    let organisation = Organisation::new().await;
    organisation.agent().await;
    organisation.vault().await;
    let names: Vec<String> =
        organisation.owner.vaults().list().await.unwrap().vaults.into_iter().map(|vault| vault.name).collect();
    assert_eq!(names, ["vault", "__agent-keys"]);
}
