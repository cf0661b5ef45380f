use keepward_tests::{Http, shared};

#[tokio::test]
async fn it_needs_no_token_and_says_the_version() {
    let answer = Http::new(&shared().url).send("GET", "/v1/health", None, None).await;
    assert_eq!((answer.status, answer.json()["status"].as_str().unwrap()), (200, "healthy"));
    assert!(answer.json()["version"].as_str().unwrap().split('.').count() == 3, "{answer:?}");
}
