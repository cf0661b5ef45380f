use keepward_tests::Organisation;

#[tokio::test]
async fn deactivated_agents_stay_listed_and_agents_list_nothing() {
    let organisation = Organisation::new().await;
    let (first, _) = organisation.agent().await;
    let (second, key) = organisation.agent().await;
    organisation.owner.agents().deactivate(first).await.unwrap();
    let listed = organisation.owner.agents().list().await.unwrap().agents;
    let shown: Vec<_> = listed.iter().map(|agent| (agent.id, agent.is_active)).collect();
    assert!(shown.contains(&(first, false)) && shown.contains(&(second, true)) && shown.len() == 2, "{shown:?}");
    assert!(organisation.as_agent(&key).agents().list().await.unwrap_err().is_forbidden());
}
