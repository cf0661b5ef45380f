use keepward::types::PolicyPermission::Write;
use keepward_tests::Organisation;
use serde_json::json;

#[tokio::test]
async fn every_put_is_a_version_of_one_secret() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let first = organisation.owner.secrets().put(vault, "a", "1").await.unwrap();
    let second = organisation.owner.secrets().put(vault, "a", "2").await.unwrap();
    assert_eq!((first.version, second.version, first.id), (1, 2, second.id));
    assert_eq!(organisation.owner.secrets().get(vault, "a").await.unwrap().value.expose(), "2");
}

#[tokio::test]
async fn nothing_is_inherited_from_the_version_before() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let path = format!("/v1/vaults/{vault}/secrets/a");
    let full = json!({"value": "1", "type": "note", "metadata": {"a": 1}, "expires_at": "2099-01-01T00:00:00Z"});
    let put = async |body: serde_json::Value| {
        organisation.http.send("PUT", &path, Some(&organisation.owner_token), Some(&body)).await.json()
    };
    let first = put(full).await;
    assert_eq!(first["expires_at"], "2099-01-01T00:00:00.000000Z");
    let second = put(json!({"value": "2"})).await;
    assert_eq!((&second["type"], &second["metadata"]), (&json!("generic"), &json!({})));
    assert!(second.get("expires_at").is_none());
}

#[tokio::test]
async fn parallel_puts_make_versions_1_to_24() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let writers: Vec<_> = (0..24)
        .map(|n| {
            let client = organisation.owner.clone();
            tokio::spawn(async move { client.secrets().put(vault, "a", n.to_string()).await.unwrap().version })
        })
        .collect();
    let mut versions = Vec::new();
    for writer in writers {
        versions.push(writer.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=24).collect::<Vec<_>>());
}

#[tokio::test]
async fn bad_paths_are_400_and_nothing_is_stored() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let long = "a".repeat(513);
    let bad = [
        "%2e%2e",
        "a%2f%2e%2e%2fb",
        "a%2F%2Fb",
        "a%252Fb",
        "a/",
        "a//b",
        "a%00",
        "a%0a",
        "%c3%a9",
        "...",
        "a%2F%2e",
        "a%20b",
        "a%2F",
        "%2Fa",
        "",
        long.as_str(),
        "a%5Cb",
        "a;b",
        "a:b",
    ];
    // By hand: HTTP clients tidy up dot segments and slashes before they send.
    let token = &organisation.owner_token;
    for method in ["GET", "PUT", "DELETE"] {
        for path in bad {
            let body = if method == "PUT" { r#"{"value":"v"}"# } else { "" };
            let head = format!(
                "{method} /v1/vaults/{vault}/secrets/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let answer = organisation.http.exchange(&head, body.as_bytes());
            let is_problem = answer.starts_with("HTTP/1.1 400") && answer.contains("application/problem+json");
            assert!(is_problem, "{method} {path:?}: {answer}");
        }
    }
    assert!(organisation.owner.secrets().list(vault).await.unwrap().secrets.is_empty());
}

#[tokio::test]
async fn bad_versions_are_400_and_nothing_is_stored() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let path = format!("/v1/vaults/{vault}/secrets/a");
    let big = "x".repeat(64 * 1024);
    for body in [
        json!({}),
        json!({"value": null}),
        json!({"value": 1}),
        json!({"value": "v", "type": "unknown"}),
        json!({"value": "v", "expires_at": "2020-01-01T00:00:00Z"}),
        json!({"value": "v", "expires_at": "tomorrow"}),
        json!({"value": "v", "max_access_count": 0}),
        json!({"value": "v", "max_access_count": -1}),
        json!({"value": "v", "max_access_count": 4_294_967_296_i64}),
        json!({"value": "v", "metadata": []}),
        json!({"value": "v", "metadata": {"a": big}}),
    ] {
        let answer = organisation.http.send("PUT", &path, Some(&organisation.owner_token), Some(&body)).await;
        assert!(answer.is_problem(400), "{answer:?}");
    }
    for body in [
        r#"{"value":"a","value":"b"}"#,
        r#"{"value":"\ud800"}"#,
        r#"{"value":"v","max_access_count":1e400}"#,
        r#"{"value":"v","metadata":{"n":123456789012345678901234567890}}"#,
        r#"{"value":"v","metadata":{"a":1,"a":2}}"#,
        r#"{"value":"v","ignored":"\ud800"}"#,
    ] {
        let body = Some(("application/json", body.as_bytes().to_vec()));
        let answer = organisation.http.send_raw("PUT", &path, Some(&organisation.owner_token), body).await;
        assert!(answer.is_problem(400), "{answer:?}");
    }
    assert!(organisation.owner.secrets().list(vault).await.unwrap().secrets.is_empty());
}

#[tokio::test]
async fn writing_does_not_give_reading() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    let (agent, key) = organisation.agent().await;
    organisation.grant(vault, "in/**", agent, &[Write]).await;
    let agent = organisation.as_agent(&key);
    let written = agent.secrets().put(vault, "in/a", "v").await.unwrap();
    assert_eq!(written.version, 1);
    assert!(agent.secrets().get(vault, "in/a").await.unwrap_err().is_forbidden());
    assert!(agent.secrets().put(vault, "out/a", "v").await.unwrap_err().is_forbidden());
    assert!(agent.secrets().list(vault).await.unwrap().secrets.is_empty(), "a list holds what may be read");
    agent.secrets().delete(vault, "in/a").await.unwrap();
    assert!(organisation.owner.secrets().get(vault, "in/a").await.unwrap_err().is_gone());
}

#[tokio::test]
async fn the_writer_is_named_with_their_kind() {
    let organisation = Organisation::new().await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    let read = organisation.owner.secrets().get(vault, "a").await.unwrap();
    assert_eq!(read.created_by, format!("user:{}", organisation.owner_id));
    assert_eq!(read.cmek_encrypted, Some(false));
}
