//! What is written without a request: last uses, and refusals before a credential was proven.

use crate::faults::edit::{edit, open};
use keepward_tests::{Http, Organisation, OwnServer, command, is_postgres};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

#[tokio::test]
async fn last_uses_are_written_at_the_latest_when_the_server_stops() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let (agent, key) = organisation.agent().await;
    let personal = organisation.owner.api_keys().create("k").await.unwrap();
    assert_eq!(organisation.owner.agents().get(agent).await.unwrap().last_active_at, None);
    let used = |key: &str| {
        let (http, key) = (organisation.http.clone(), key.to_owned());
        async move { http.get("/v1/auth/me", &key).await.status }
    };
    used(key.expose()).await;
    assert_eq!(used(personal.api_key.as_ref().unwrap().expose()).await, 200);
    assert!(server.stop().success());
    let server = OwnServer::start(folder.path(), &[]);
    let owner = keepward_tests::client(&server.url, &organisation.owner_token);
    let seen = owner.agents().get(agent).await.unwrap();
    assert!(seen.last_active_at.unwrap() > seen.created_at);
    assert!(owner.api_keys().list().await.unwrap().keys[0].last_used_at.is_some());
    assert!(command(folder.path()).args(["audit", "verify"]).status().unwrap().success(), "no MAC covers them");
}

#[tokio::test]
async fn unproven_refusals_are_counted_by_address_and_action_in_the_servers_chain() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_TRUSTED_PROXIES", "127.0.0.1/32")]);
    let organisation = Organisation::on(&server.url).await;
    let http = Http::new(&server.url);
    for (from, times) in [("192.0.2.1", 3), ("192.0.2.2", 2)] {
        for _ in 0..times {
            let wrong = json!({"email": organisation.email, "password": "wrong"});
            assert_eq!(http.send_from(from, "POST", "/v1/auth/token", &wrong).await.status, 401);
            let unknown = json!({"email": "nobody@example.com", "password": "wrong"});
            assert_eq!(http.send_from(from, "POST", "/v1/auth/token", &unknown).await.status, 401);
            let key = json!({"api_key": "ocv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
            assert_eq!(http.send_from(from, "POST", "/v1/auth/agent-token", &key).await.status, 401);
        }
    }
    assert!(server.stop().success());
    let database = open(folder.path()).await;
    let sql = "SELECT ip_address, details FROM audit_event WHERE action = 'auth.failure' ORDER BY ip_address";
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), sql)).await.unwrap();
    let counts: Vec<(String, serde_json::Value)> = rows
        .iter()
        .map(|row| (row.try_get("", "ip_address").unwrap(), row.try_get::<String>("", "details").unwrap()))
        .map(|(address, details)| (address, serde_json::from_str(&details).unwrap()))
        .collect();
    let expected = [("192.0.2.1".to_owned(), json!({"count": 9})), ("192.0.2.2".to_owned(), json!({"count": 6}))];
    assert_eq!(counts, expected);
    assert!(command(folder.path()).args(["audit", "verify"]).status().unwrap().success());
}

/// A revocation outlives its token by a day, for clocks that disagree; then it is forgotten.
#[tokio::test]
async fn a_revocation_is_kept_a_day_longer_than_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    organisation.owner.auth().revoke().await.unwrap();
    assert!(server.stop().success());
    for (hours, kept) in [(23_i64, 1), (25, 0)] {
        let expired = keepward::Timestamp::now().plus_seconds(-hours * 3_600).microseconds();
        edit(folder.path(), &format!("UPDATE revoked_token SET expires_at = {expired}")).await;
        // What is done every minute is done once more at the end.
        assert!(OwnServer::start(folder.path(), &[]).stop().success());
        let database = open(folder.path()).await;
        let statement = Statement::from_string(database.get_database_backend(), "SELECT jti FROM revoked_token");
        assert_eq!(database.query_all_raw(statement).await.unwrap().len(), kept, "{hours} hours");
    }
}

/// Without room for its event nothing may happen; reads that leave no event go on.
#[tokio::test]
async fn below_the_least_free_space_nothing_is_written_and_health_is_degraded() {
    if is_postgres() {
        return; // Its disk is not the server's to look at.
    }
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    let health = organisation.http.get("/v1/health", "").await;
    assert_eq!(health.json()["status"], "healthy");
    assert!(server.stop().success());
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_MIN_FREE", "1000000GB")]);
    let http = Http::new(&server.url);
    let token = organisation.owner_token.as_str();
    let body = json!({"value": "w"});
    for (method, body) in [("PUT", Some(&body)), ("GET", None), ("DELETE", None)] {
        let answer = http.send(method, &format!("/v1/vaults/{vault}/secrets/a"), Some(token), body).await;
        assert!(answer.is_problem(503) && !answer.header("retry-after").is_empty(), "{method}: {answer:?}");
    }
    assert_eq!(http.get(&format!("/v1/vaults/{vault}/secrets"), token).await.status, 200);
    let health = http.get("/v1/health", "").await;
    assert_eq!((health.status, health.json()["status"].as_str().unwrap()), (200, "degraded"));
    assert!(server.stop().success());
    let server = OwnServer::start(folder.path(), &[]);
    let read = keepward_tests::client(&server.url, token).secrets().get(vault, "a").await.unwrap();
    assert_eq!((read.value.expose(), read.version), ("v", 1));
}
