//! Clocks that jump, both ways, under a running server.

use keepward_tests::{Organisation, OwnServer, PASSWORD, builder, clock_library, command};
use serde_json::json;
use std::path::Path;

/// Moves the server's clock by that much from the real time on.
fn jump(file: &Path, by: &str) {
    std::fs::write(file, by).unwrap();
}

#[tokio::test]
async fn a_clock_that_jumps_ends_what_expires_and_breaks_no_chain() {
    let folder = tempfile::tempdir().unwrap();
    let (data, clock) = (folder.path().join("data"), folder.path().join("clock"));
    jump(&clock, "+0");
    let settings = [
        ("LD_PRELOAD", clock_library()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = OwnServer::start(&data, &settings);
    let organisation = Organisation::on(&server.url).await;
    let (vault, http) = (organisation.vault().await, &organisation.http);
    let login = || async {
        let body = json!({"email": organisation.email, "password": PASSWORD});
        let answer = http.send("POST", "/v1/auth/token", None, Some(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let status = |token: String, path: &'static str| async move {
        http.get(&format!("/v1/vaults/{vault}/secrets/{path}"), &token).await.status
    };
    let day = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 86_400;
    let tomorrow = keepward::Timestamp::from_microseconds(i64::try_from(day).unwrap() * 1_000_000);
    organisation.owner.secrets().put(vault, "day", "v").expires_at(tomorrow).await.unwrap();
    let first = login().await;
    assert_eq!(status(first.clone(), "day").await, 200);

    jump(&clock, "+2d");
    assert_eq!(status(first.clone(), "day").await, 401, "the token is two days old");
    let later = login().await;
    assert_eq!(status(later.clone(), "day").await, 410, "the secret has expired");
    let client = builder(&server.url).token(later.as_str()).build().unwrap();
    let late = client.secrets().put(vault, "late", "v").await.unwrap();

    jump(&clock, "-2d");
    let early = login().await;
    assert_eq!(status(early.clone(), "day").await, 200, "its end is ahead again");
    let client = builder(&server.url).token(early.as_str()).build().unwrap();
    for version in 2..5 {
        assert_eq!(client.secrets().put(vault, "late", "v").await.unwrap().version, version);
    }
    assert_eq!(client.secrets().get(vault, "late").await.unwrap().id, late.id);
    // No event is older than the one before it, and each time is found by halves.
    let events = client.audit().events().await.unwrap().events;
    assert!(events.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at), "newest first");
    let newest = events[0].created_at;
    let since = client.audit().events().from(newest.unwrap()).await.unwrap().events;
    assert!(!since.is_empty() && since.iter().all(|event| event.created_at == newest));
    // Their times are the chain's; what the clock said is beside them.
    let clock_of = |event: &keepward::types::AuditEvent| event.details.get("clock")?.as_str().map(str::to_owned);
    let said: keepward::Timestamp = clock_of(&events[0]).unwrap().parse().unwrap();
    assert!(said < newest.unwrap());
    assert!(clock_of(events.last().unwrap()).is_none(), "none was said before the clock was set");
    let lines = server.log().matches("ahead of the clock").count();
    assert!((1..=2).contains(&lines), "one a minute, which may have ended meanwhile: {lines}");

    jump(&clock, "+0");
    assert_eq!(http.send("GET", "/v1/health", None, None).await.json()["status"], "healthy");
    assert_eq!(status(login().await, "day").await, 200);
    assert!(server.stop().success());
    let output = command(&data).args(["audit", "verify"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("ahead of the clock"), "{said}");
}

/// A clock that jumps ahead and comes back forgets no revocation.
#[tokio::test]
async fn a_clock_that_jumps_revives_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let (data, clock) = (folder.path().join("data"), folder.path().join("clock"));
    let settings = [
        ("LD_PRELOAD", clock_library()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    jump(&clock, "+0");
    let server = OwnServer::start(&data, &settings);
    let organisation = Organisation::on(&server.url).await;
    let token = organisation.owner_token.clone();
    assert_eq!(organisation.http.get("/v1/auth/me", &token).await.status, 200);
    organisation.owner.auth().revoke().await.unwrap();
    // Each stop removes what has expired.
    assert!(server.stop().success());
    jump(&clock, "+3d");
    assert!(OwnServer::start(&data, &settings).stop().success());
    jump(&clock, "+0");
    let server = OwnServer::start(&data, &settings);
    let http = keepward_tests::Http::new(&server.url);
    assert_eq!(http.get("/v1/auth/me", &token).await.status, 401);
}
