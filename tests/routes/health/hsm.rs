use keepward_tests::{Http, shared};

#[tokio::test]
async fn the_keystore_answers() {
    let answer = Http::new(&shared().url).send("GET", "/v1/health/hsm", None, None).await;
    assert_eq!((answer.status, answer.json()["status"].as_str().unwrap()), (200, "ok"));
}
