use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keepward_tests::Organisation;

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let organisation = Organisation::new().await;
    let answer = organisation.http.send("DELETE", "/v1/auth/token", Some(&organisation.owner_token), None).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert!(organisation.http.get("/v1/auth/me", &organisation.owner_token).await.is_problem(401));
}

#[tokio::test]
async fn a_key_as_bearer_is_400() {
    let organisation = Organisation::new().await;
    let (_, key) = organisation.agent().await;
    let answer = organisation.http.send("DELETE", "/v1/auth/token", Some(key.expose()), None).await;
    assert!(answer.is_problem(400), "{answer:?}");
}

fn parts(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

#[tokio::test]
async fn forged_tokens_are_401() {
    let organisation = Organisation::new().await;
    let [header, claims, signature] = parts(&organisation.owner_token);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(&claims).unwrap()).unwrap();
    let kid =
        serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(&header).unwrap()).unwrap()["kid"].clone();
    let other = Organisation::new().await;
    let [_, other_claims, other_signature] = parts(&other.owner_token);
    let forged = [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{}", &signature[..40]),
        format!("{header}.{claims}.{other_signature}"),
        format!("{header}.{other_claims}.{signature}"),
        format!("{}.{claims}.", encode(&format!(r#"{{"alg":"none","typ":"JWT","kid":{kid}}}"#))),
        format!("{}.{claims}.{signature}", encode(&format!(r#"{{"alg":"HS256","typ":"JWT","kid":{kid}}}"#))),
        format!(
            "{}.{claims}.{signature}",
            encode(r#"{"alg":"EdDSA","typ":"JWT","kid":"3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10"}"#)
        ),
        format!("{header}.{}.{signature}", encode(&decoded.replace("\"exp\":1", "\"exp\":9"))),
        format!("{header}.{claims}.{signature}A"),
        "x".repeat(20_000),
    ];
    for token in forged {
        let answer = organisation.http.get("/v1/auth/me", &token).await;
        assert!(answer.is_problem(401), "{token}: {answer:?}");
    }
}

#[tokio::test]
async fn authorization_twice_is_400() {
    let organisation = Organisation::new().await;
    let token = &organisation.owner_token;
    let head = format!(
        "GET /v1/auth/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let answer = organisation.http.exchange(&head, b"");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("application/problem+json"), "{answer}");
}
