//! Several servers on one database: what one of them ends, the others give no more, whatever their clocks say.

use crate::faults::postgres::{OnPostgres, start};
use futures_util::future::join_all;
use keepward::Timestamp;
use keepward::types::AuditEvent;
use keepward::types::PolicyPermission::Read;
use keepward_tests::{Cluster, Durability, Http, Organisation, PASSWORD, builder, clock_library, is_postgres};
use serde_json::{Value, json};

async fn post(http: &Http, path: &str, bearer: Option<&str>, body: Value) -> Value {
    let answer = http.send("POST", path, bearer, Some(&body)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// A new token for a key, from one of the servers.
async fn exchange(http: &Http, path: &str, key: &str) -> String {
    let answer = post(http, path, None, json!({"api_key": key})).await;
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Each right is used on the one server, ended on the other, and gone on the first with its next request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_ends_the_other_gives_no_more() {
    if !is_postgres() {
        return; // A file has one server.
    }
    let scene = OnPostgres::set(2).await;
    let (organisation, vault) = (&scene.organisation, scene.vault);
    let there = Http::new(&scene.servers[1].url);
    let secret = format!("/v1/vaults/{vault}/secrets/a");
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    let status = async |path: &str, bearer: &str| there.get(path, bearer).await.status;

    // A token.
    let login = json!({"email": organisation.email, "password": PASSWORD});
    let token = post(&there, "/v1/auth/token", None, login).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(status("/v1/auth/me", &token).await, 200);
    organisation.client(&token).auth().revoke().await.unwrap();
    assert_eq!(status("/v1/auth/me", &token).await, 401);

    // A personal key, and what it was exchanged for.
    let made = organisation.owner.api_keys().create("k").await.unwrap();
    let (id, key) = (made.key.unwrap().id.unwrap(), made.api_key.unwrap());
    let token = exchange(&there, "/v1/auth/api-key-token", key.expose()).await;
    for bearer in [key.expose(), token.as_str()] {
        assert_eq!(status("/v1/auth/me", bearer).await, 200);
    }
    organisation.owner.api_keys().delete(id).await.unwrap();
    for bearer in [key.expose(), token.as_str()] {
        assert_eq!(status("/v1/auth/me", bearer).await, 401);
    }

    // A policy, an agent's key, the agent.
    let (agent, key) = organisation.agent().await;
    let policy = organisation.grant(vault, "**", agent, &[Read]).await;
    let token = exchange(&there, "/v1/auth/agent-token", key.expose()).await;
    assert_eq!(status(&secret, &token).await, 200);
    organisation.owner.policies().delete(vault, policy.id).await.unwrap();
    assert_eq!(status(&secret, &token).await, 403);
    organisation.grant(vault, "**", agent, &[Read]).await;
    assert_eq!(status(&secret, &token).await, 200);
    let new_key = organisation.owner.agents().rotate_key(agent).await.unwrap().api_key.unwrap();
    let old = there.send("POST", "/v1/auth/agent-token", None, Some(&json!({"api_key": key.expose()}))).await;
    assert_eq!((old.status, status(&secret, &token).await), (401, 401));
    let token = exchange(&there, "/v1/auth/agent-token", new_key.expose()).await;
    assert_eq!(status(&secret, &token).await, 200);
    organisation.owner.agents().deactivate(agent).await.unwrap();
    assert_eq!(status(&secret, &token).await, 401);

    // The vault.
    let owner = organisation.owner_token.as_str();
    assert_eq!(status(&secret, owner).await, 200);
    organisation.owner.vaults().delete(vault).await.unwrap();
    assert_eq!(status(&secret, owner).await, 404);
}

/// Clocks that are half a minute apart: tokens of the one are good on the other, what is counted or numbered is exact, and
/// the chain that both write is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_half_a_minute_apart_change_nothing() {
    if !is_postgres() {
        return; // A file has one server.
    }
    let cluster = Cluster::start(Durability::Full);
    let (url, folder) = (cluster.create("app"), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    let library = clock_library();
    let ahead = [("LD_PRELOAD", library.as_str()), ("FAKETIME", "+30s"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let servers = [start(&url, &data, &[]).unwrap(), start(&url, &data, &ahead).unwrap()];
    let organisation = Organisation::on(&servers[0].url).await;
    let vault = organisation.vault().await;
    let https = [0, 1].map(|n: usize| Http::new(&servers[n].url));
    let mut made = Vec::new();
    for server in &servers {
        let owner = keepward_tests::client(&server.url, &organisation.owner_token);
        made.push(owner.vaults().create("of its time").await.unwrap().created_at.seconds());
    }
    assert!(made[1] - made[0] >= 25, "the second clock is not ahead: {made:?}");
    let (agent, key) = organisation.agent().await;
    organisation.grant(vault, "**", agent, &[Read]).await;
    let secret = format!("/v1/vaults/{vault}/secrets/few");
    for (here, there) in [(0, 1), (1, 0)] {
        organisation.owner.secrets().put(vault, "few", "v").max_access_count(3).await.unwrap();
        let token = exchange(&https[here], "/v1/auth/agent-token", key.expose()).await;
        let reads = (0..24).map(|n| https[n % 2].get(&secret, &token));
        let answers = join_all(reads).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(200), count(410)), (3, 21));
        let login = json!({"email": organisation.email, "password": PASSWORD});
        let login = post(&https[here], "/v1/auth/token", None, login).await;
        let token = login["access_token"].as_str().unwrap();
        assert_eq!(https[there].get("/v1/auth/me", token).await.status, 200);
        keepward_tests::client(&servers[here].url, token).auth().revoke().await.unwrap();
        for http in &https {
            assert_eq!(http.get("/v1/auth/me", token).await.status, 401);
        }
    }
    let owners = [0, 1].map(|n: usize| {
        builder(&servers[n].url).token(organisation.owner_token.as_str()).max_retries(0).build().unwrap()
    });
    let writes = (0..60).map(|n| {
        let owner = owners[n % 2].clone();
        async move { owner.secrets().put(vault, "numbered", "v").await.unwrap().version }
    });
    let mut versions = join_all(writes).await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=60).collect::<Vec<_>>());
    // No event is older than the one before it, and what is asked by time is found on both.
    let events = owners[0].audit().events().limit(1000).await.unwrap().events;
    assert!(events.windows(2).all(|pair| pair[0].created_at >= pair[1].created_at), "newest first");
    let middle = events[events.len() / 2].created_at.unwrap();
    let ids = |events: &[AuditEvent]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    let of = |fits: fn(Timestamp, Timestamp) -> bool| {
        let found = events.iter().filter(|event| fits(event.created_at.unwrap(), middle));
        found.map(|event| event.id).collect::<Vec<_>>()
    };
    for owner in &owners {
        let since = owner.audit().events().from(middle).limit(1000).await.unwrap().events;
        let until = owner.audit().events().to(middle).limit(1000).await.unwrap().events;
        assert_eq!(ids(&since), of(|time, middle| time >= middle));
        assert_eq!(ids(&until), of(|time, middle| time <= middle));
    }
    // The rotated key's tokens are as dead on a server that is behind.
    let token = exchange(&https[1], "/v1/auth/agent-token", key.expose()).await;
    keepward_tests::client(&servers[1].url, &organisation.owner_token).agents().rotate_key(agent).await.unwrap();
    for http in &https {
        assert_eq!(http.get("/v1/agents/me", &token).await.status, 401);
    }
    let verified = keepward_tests::command(&data).args(["audit", "verify"]).env("KEEPWARD_DATABASE_URL", &url).output();
    let verified = verified.unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Where only the first may sign up, of many at once on both servers it is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_is_the_first() {
    if !is_postgres() {
        return; // A file has one server.
    }
    let cluster = Cluster::start(Durability::Full);
    let (url, folder) = (cluster.create("app"), tempfile::tempdir().unwrap());
    let settings = [("KEEPWARD_SIGNUP", "first"), ("KEEPWARD_RATE_LIMIT", "off")];
    let servers = [0, 1].map(|_| start(&url, folder.path(), &settings).unwrap());
    let https = [0, 1].map(|n: usize| Http::new(&servers[n].url));
    let signups = (0..16).map(|n| {
        let (http, body) = (&https[n % 2], json!({"email": format!("{n}@example.com"), "password": PASSWORD}));
        async move { http.send("POST", "/v1/auth/signup", None, Some(&body)).await.status }
    });
    let statuses = join_all(signups).await;
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201) + count(200), count(403)), (1, 15), "{statuses:?}");
}
