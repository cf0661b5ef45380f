use keepward_tests::Organisation;

#[tokio::test]
async fn an_expired_key_is_refused() {
    let organisation = Organisation::new().await;
    let soon = keepward::Timestamp::from_microseconds(keepward::Timestamp::now().microseconds() + 4_000_000);
    let made = organisation.owner.api_keys().create("k").expires_at(soon).await.unwrap();
    let key = made.api_key.unwrap();
    let bound = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while organisation.http.get("/v1/auth/me", key.expose()).await.status == 200 {
        assert!(std::time::Instant::now() < bound);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(keepward::Timestamp::now() >= soon);
}
