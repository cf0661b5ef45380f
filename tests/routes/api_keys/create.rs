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

/// A key can't make one that outlives it, nor does the token that was made from it.
#[tokio::test]
async fn a_key_makes_none_that_outlives_it() {
    let organisation = Organisation::new().await;
    let in_seconds = |seconds: i64| {
        keepward::Timestamp::from_microseconds(keepward::Timestamp::now().microseconds() + seconds * 1_000_000)
    };
    let end = in_seconds(600);
    let parent =
        organisation.owner.api_keys().create("parent").expires_at(end).scopes(["ci".to_owned()]).await.unwrap();
    let key = parent.api_key.unwrap();
    let exchange = serde_json::json!({"api_key": key.expose()});
    let token = organisation.http.send("POST", "/v1/auth/api-key-token", None, Some(&exchange)).await;
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    for bearer in [key.expose(), token.as_str()] {
        let client = organisation.client(bearer);
        let child = client.api_keys().create("child").await.unwrap().key.unwrap();
        assert_eq!((child.expires_at, child.scopes), (Some(end), vec!["ci".to_owned()]));
        let sooner = in_seconds(60);
        let child = client.api_keys().create("child").expires_at(sooner).await.unwrap().key.unwrap();
        assert_eq!(child.expires_at, Some(sooner));
        let refused = client.api_keys().create("child").expires_at(in_seconds(601)).await.unwrap_err();
        assert_eq!(refused.status(), Some(400), "{refused}");
    }
    // A human who logged in may make one that never ends.
    assert_eq!(organisation.owner.api_keys().create("free").await.unwrap().key.unwrap().expires_at, None);
}

/// A scope that looks like a limit but is no valid glob would give full rights.
#[tokio::test]
async fn scopes_that_are_no_globs_are_400() {
    let organisation = Organisation::new().await;
    for bad in ["test.eu /**", "secret:test/**", "a/**,b/**", "a/** ", "a*", "/a", "a//b"] {
        for (path, name) in [("/v1/auth/api-keys", "api key"), ("/v1/agents", "agent")] {
            let body = serde_json::json!({"name": "n", "scopes": [bad]});
            let answer = organisation.http.send("POST", path, Some(&organisation.owner_token), Some(&body)).await;
            assert!(
                answer.is_problem(400) && answer.json()["fields"]["scopes"].is_string(),
                "{name} {bad:?}: {answer:?}"
            );
        }
    }
    // And one that is: the key reaches those paths and no other.
    let vault = organisation.vault().await;
    for path in ["test.eu/a", "test-eu/a"] {
        organisation.owner.secrets().put(vault, path, "v").await.unwrap();
    }
    let made =
        organisation.owner.api_keys().create("k").scopes(["test.eu/**".to_owned(), "ci".to_owned()]).await.unwrap();
    let client = organisation.client(made.api_key.unwrap().expose());
    assert_eq!(client.secrets().get(vault, "test.eu/a").await.unwrap().value.expose(), "v");
    assert_eq!(client.secrets().get(vault, "test-eu/a").await.unwrap_err().status(), Some(403));
}
