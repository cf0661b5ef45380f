use keepward_tests::{Organisation, shared};

#[tokio::test]
async fn an_agent_gets_its_own_id_and_no_other() {
    let organisation = Organisation::new().await;
    let (own, key) = organisation.agent().await;
    let (other, _) = organisation.agent().await;
    let agent = organisation.as_agent(&key);
    assert_eq!(agent.agents().get(own).await.unwrap().id, own);
    assert!(agent.agents().get(other).await.unwrap_err().is_forbidden());
}

#[tokio::test]
async fn any_human_of_the_organisation_gets_any_agent() {
    let organisation = Organisation::new().await;
    let (agent, _) = organisation.agent().await;
    let member = organisation.client(&organisation.member(&shared(), "member").await);
    assert_eq!(member.agents().get(agent).await.unwrap().id, agent);
}
