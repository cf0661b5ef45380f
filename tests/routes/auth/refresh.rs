use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn refresh_answers_400_as_the_contract_says() {
    let organisation = Organisation::new().await;
    let body = json!({"refresh_token": "x"});
    let answer = organisation.http.send("POST", "/v1/auth/refresh", None, Some(&body)).await;
    assert!(answer.is_problem(400), "{answer:?}");
    assert_eq!(answer.json()["detail"], "Refresh tokens not yet implemented");
}
