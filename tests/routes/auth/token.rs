use keepward_tests::{Organisation, PASSWORD};
use serde_json::json;

#[tokio::test]
async fn the_right_password_gives_a_token_of_900_seconds() {
    let organisation = Organisation::new().await;
    let body = json!({"email": organisation.email, "password": PASSWORD});
    let answer = organisation.http.send("POST", "/v1/auth/token", None, Some(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["expires_in"], 900);
    assert_eq!(answer.json()["token_type"], "Bearer");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(organisation.http.get("/v1/auth/me", &token).await.status, 200);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_answer_alike() {
    let organisation = Organisation::new().await;
    let login = async |email: &str| {
        let body = json!({"email": email, "password": "D3mo!Passw0rd#x8"});
        organisation.http.send("POST", "/v1/auth/token", None, Some(&body)).await
    };
    let wrong = login(&organisation.email).await;
    let unknown = login(&format!("{}@example.com", uuid::Uuid::new_v4())).await;
    assert!(wrong.is_problem(401) && unknown.is_problem(401), "{wrong:?} {unknown:?}");
    assert_eq!(wrong.text, unknown.text);
}

/// One client sends its old token on login.
#[tokio::test]
async fn a_bad_authorization_header_is_ignored_on_public_operations() {
    let organisation = Organisation::new().await;
    let body = json!({"email": organisation.email, "password": PASSWORD});
    let answer = organisation.http.send("POST", "/v1/auth/token", Some("expired"), Some(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
