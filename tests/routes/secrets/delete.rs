use keepward_tests::Organisation;

#[tokio::test]
async fn a_deleted_secret_is_gone_until_it_is_written_again() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let secrets = organisation.owner.secrets();
    let first = secrets.put(vault, "a", "1").await.unwrap();
    secrets.delete(vault, "a").await.unwrap();
    assert!(secrets.get(vault, "a").await.unwrap_err().is_gone());
    assert!(secrets.delete(vault, "a").await.unwrap_err().is_gone());
    assert!(secrets.list(vault).await.unwrap().secrets.is_empty());
    let second = secrets.put(vault, "a", "2").await.unwrap();
    assert_eq!((second.id, second.version), (first.id, 2), "it keeps its id and goes on counting");
    assert_eq!(secrets.get(vault, "a").await.unwrap().value.expose(), "2");
    assert!(secrets.delete(vault, "never").await.unwrap_err().is_not_found());
}
