use keepward_tests::{Http, Organisation, PASSWORD, shared};
use serde_json::json;

#[tokio::test]
async fn each_signup_is_the_owner_of_a_new_organisation() {
    let (one, other) = (Organisation::new().await, Organisation::new().await);
    assert_ne!(one.id, other.id);
    let profile = one.owner.account().get().await.unwrap();
    assert_eq!(profile.role.as_deref(), Some("owner"));
    assert_eq!(profile.email_verified, Some(false));
}

#[tokio::test]
async fn a_known_address_is_409_in_any_case() {
    let organisation = Organisation::new().await;
    let body = json!({"email": organisation.email.to_uppercase(), "password": PASSWORD});
    let answer = organisation.http.send("POST", "/v1/auth/signup", None, Some(&body)).await;
    assert!(answer.is_problem(409), "{answer:?}");
}

#[tokio::test]
async fn weak_passwords_are_400_and_not_repeated() {
    let http = Http::new(&shared().url);
    for password in ["short", "alllowercase1!", "NoDigitsHere!!x", "Aaaa1!bcdefgh", "D3mo!Passw0rd#111"] {
        let body = json!({"email": format!("{}@example.com", uuid::Uuid::new_v4()), "password": password});
        let answer = http.send("POST", "/v1/auth/signup", None, Some(&body)).await;
        assert!(answer.is_problem(400) && !answer.text.contains(password), "{answer:?}");
    }
}

#[tokio::test]
async fn one_address_signed_up_by_many_at_once_is_one_account() {
    let http = Http::new(&shared().url);
    let body = json!({"email": format!("{}@example.com", uuid::Uuid::new_v4()), "password": PASSWORD});
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (http, body) = (http.clone(), body.clone());
            tokio::spawn(async move { http.send("POST", "/v1/auth/signup", None, Some(&body)).await.status })
        })
        .collect();
    let mut made = 0;
    for one in all {
        match one.await.unwrap() {
            200 => made += 1,
            409 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(made, 1);
}
