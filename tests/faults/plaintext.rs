//! No plaintext of a secret, key or password outside the process: not in the data folder, the log, the trail or an error,
//! not after `kill -9` either.

use keepward::types::PolicyPermission::Read;
use keepward_tests::{Cluster, Durability, Http, Organisation, OwnServer, is_postgres};
use serde_json::json;
use std::path::Path;

/// Every byte of every file below a folder.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes_below(&path));
        } else {
            all.extend(std::fs::read(path).unwrap());
        }
    }
    all
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn markers_are_found_nowhere() {
    const VALUE: &str = "MARKER-value-5e1f";
    const PASSWORD: &str = "MARKER-Pa5!x-word-9q";
    let folder = tempfile::tempdir().unwrap();
    // A cluster of its own where the run is one on PostgreSQL, to look at all of its files.
    let cluster = is_postgres().then(|| Cluster::start(Durability::Full));
    let url = cluster.as_ref().map(|cluster| cluster.url(""));
    let start = |settings| OwnServer::start_on(url.as_deref(), folder.path(), settings).unwrap();
    let server = start(&[("KEEPWARD_LOG", "trace")]);
    let http = Http::new(&server.url);
    let signup = json!({"email": "marker-mail@example.com", "password": PASSWORD});
    let signed_up = http.send("POST", "/v1/auth/signup", None, Some(&signup)).await;
    let token = signed_up.json()["access_token"].as_str().unwrap().to_owned();
    let owner = keepward_tests::client(&server.url, &token);
    let vault = owner.vaults().create("vault").await.unwrap().id;
    owner.secrets().put(vault, "marker-path", VALUE).await.unwrap();
    let registered = owner.agents().register("agent").await.unwrap();
    let agent_key = registered.api_key.unwrap().expose().to_owned();
    owner.policies().grant(vault, "**", registered.agent.id, [Read]).await.unwrap();
    let user_key = owner.api_keys().create("k").await.unwrap().api_key.unwrap().expose().to_owned();
    let agent = http.send("POST", "/v1/auth/agent-token", None, Some(&json!({"api_key": agent_key}))).await;
    let agent_token = agent.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        http.get(&format!("/v1/vaults/{vault}/secrets/marker-path?marker-query=1"), &agent_token).await.status,
        200
    );

    // Everything that can go wrong with a marker in it: no answer repeats it.
    let url = format!("/v1/vaults/{vault}/secrets/marker-path");
    let bad = [
        json!({"value": VALUE, "type": VALUE}),
        json!({"value": VALUE, "max_access_count": VALUE}),
        json!({"value": [VALUE]}),
        json!({"value": VALUE, "expires_at": VALUE}),
        json!({"value": VALUE, "metadata": VALUE}),
        json!([VALUE]),
        json!(VALUE),
    ];
    let mut answers = String::new();
    for body in &bad {
        let answer = http.send("PUT", &url, Some(&token), Some(body)).await;
        assert!(answer.is_problem(400), "{answer:?}");
        answers.push_str(&answer.text);
    }
    for body in [format!("{{\"value\":\"{VALUE}\""), format!("{{\"value\":\"{VALUE}\",\"value\":\"{VALUE}\"}}")] {
        answers.push_str(
            &http.send_raw("PUT", &url, Some(&token), Some(("application/json", body.into_bytes()))).await.text,
        );
    }
    for (path, body) in [
        ("/v1/auth/token", json!({"email": "marker-mail@example.com", "password": format!("{PASSWORD}x")})),
        ("/v1/auth/token", json!({"email": PASSWORD, "password": PASSWORD})),
        ("/v1/auth/signup", json!({"email": "other@example.com", "password": "MARKER-weak"})),
        ("/v1/auth/agent-token", json!({"api_key": format!("{agent_key}x"), "agent_id": VALUE})),
        ("/v1/auth/api-key-token", json!({"api_key": VALUE})),
    ] {
        answers.push_str(&http.send("POST", path, None, Some(&body)).await.text);
    }
    answers.push_str(&http.get("/v1/auth/me", VALUE).await.text);
    answers.push_str(&http.send("GET", &format!("/v1/{VALUE}"), None, None).await.text);

    let trail = serde_json::to_string(&owner.audit().events().await.unwrap()).unwrap();
    let log = server.log();
    assert!(log.contains("/v1/vaults/{vault_id}/secrets/{path}"), "{log}");
    let secrets = [VALUE, PASSWORD, "MARKER-weak", &agent_key, &user_key, &token, &agent_token];
    let look = |when: &str, log: &str| {
        let mut stored = bytes_below(folder.path());
        if let Some(cluster) = &cluster {
            stored.extend(bytes_below(Path::new(&cluster.data())));
        }
        for secret in secrets {
            assert!(!contains(&stored, secret), "{when}: {secret} in the data folder");
            assert!(!log.contains(secret), "{when}: {secret} in the log");
            assert!(!answers.contains(secret), "{when}: {secret} in an answer");
            assert!(!trail.contains(secret), "{when}: {secret} in the trail");
        }
        for private in ["marker-path", "marker-query", "marker-mail"] {
            assert!(!log.contains(private), "{when}: {private} in the log");
        }
        assert!(!trail.contains("marker-mail"));
    };
    look("running", &log);
    server.kill();
    look("killed", &log);
    let server = start(&[]);
    let organisation = Organisation::on(&server.url).await;
    drop(organisation);
    assert!(server.stop().success());
    look("stopped", &log);
}
