//! PostgreSQL that is unsafe, foreign, stopped, killed or failed over; and several servers on one.

use crate::faults::acknowledged::{self, Writers, kills, random};
use crate::faults::start::OF_ANOTHER_PROGRAM;
use futures_util::future::join_all;
use keepward::types::PolicyPermission::Read;
use keepward::{SecretText, VaultId};
use keepward_tests::{Cluster, Durability, Front, Http, Organisation, OwnServer, Paused, builder, is_postgres};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub async fn run(url: &str, sql: &str) {
    let database = Database::connect(url).await.unwrap();
    database.execute_unprepared(sql).await.unwrap();
    database.close().await.unwrap();
}

/// A server on a database of this address, with these settings besides.
pub fn start(url: &str, data_dir: &Path, settings: &[(&str, &str)]) -> Result<OwnServer, String> {
    OwnServer::start_on(None, data_dir, &[&[("KEEPWARD_DATABASE_URL", url)], settings].concat())
}

/// Servers on the one database of a PostgreSQL of their own, and an organisation on the first.
pub struct OnPostgres {
    pub servers: Vec<OwnServer>,
    pub organisation: Organisation,
    pub vault: VaultId,
    pub url: String,
    pub folder: TempDir,
    pub cluster: Cluster,
}

impl OnPostgres {
    pub async fn set(servers: usize) -> Self {
        Self::set_on(Cluster::start(Durability::Full), servers).await
    }

    pub async fn set_on(cluster: Cluster, servers: usize) -> Self {
        let (url, folder) = (cluster.create("app"), tempfile::tempdir().unwrap());
        let data = folder.path().join("data");
        let servers: Vec<_> = (0..servers).map(|_| start(&url, &data, &[]).unwrap()).collect();
        let organisation = Organisation::on(&servers[0].url).await;
        let vault = organisation.vault().await;
        Self { servers, organisation, vault, url, folder, cluster }
    }

    /// An API key of the organisation's owner.
    pub async fn key(&self) -> SecretText {
        self.organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap()
    }

    /// Writers on its first server.
    pub fn write(&self, key: &SecretText) -> Writers {
        Writers::start(&[&self.servers[0].url], key, self.vault, self.folder.path())
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        acknowledged::count(self.folder.path())
    }

    /// Waits until so many writes more are acknowledged than there were.
    pub async fn wait_for_more(&self, than: usize, more: usize) {
        acknowledged::wait_for_more(self.folder.path(), than, more, || self.servers[0].log()).await;
    }

    /// What was acknowledged to writers is there, and every chain is whole.
    pub async fn judge(&self, key: SecretText) {
        let client = builder(&self.servers[0].url).token(key).build().unwrap();
        acknowledged::judge(&client, self.vault, self.folder.path()).await;
        self.verify();
    }

    /// Every chain is whole.
    pub fn verify(&self) {
        verify(&self.folder.path().join("data"), &self.url);
    }
}

/// Every chain is whole.
fn verify(data: &Path, url: &str) {
    let mut verify = keepward_tests::command(data);
    let output = verify.args(["audit", "verify"]).env("KEEPWARD_DATABASE_URL", url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Changes a setting of a running cluster, and waits until it counts.
async fn change_setting(cluster: &Cluster, setting: &str, value: &str) {
    cluster.add_settings(&format!("{setting} = {value}\n"));
    cluster.reload();
    let ask = Statement::from_string(DbBackend::Postgres, format!("SELECT current_setting('{setting}') AS is_now"));
    let bound = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < bound, "{setting} does not change");
        // A session that is there already may not have read it yet.
        let database = Database::connect(cluster.url("postgres")).await.unwrap();
        let row = database.query_one_raw(ask.clone()).await.unwrap().unwrap();
        database.close().await.unwrap();
        if row.try_get::<String>("", "is_now").unwrap() == value {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the server answers that it is healthy, or not.
pub async fn wait_for_health(url: &str, status: &str) {
    let (http, bound) = (Http::new(url), Instant::now() + Duration::from_secs(60));
    loop {
        let answer = http.send("GET", "/v1/health", None, None).await;
        assert_eq!(answer.status, 200);
        if answer.json()["status"] == status {
            return;
        }
        assert!(Instant::now() < bound, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_database_that_can_not_be_used_is_refused_with_the_reason() {
    if !is_postgres() {
        return; // SQLite's are in start.rs.
    }
    let (durable, fast) = (Cluster::start(Durability::Full), Cluster::start(Durability::None));
    let folder = tempfile::tempdir().unwrap();
    let refusal = |url: &str, settings: &[(&str, &str)]| {
        let said = start(url, folder.path(), settings).map(drop).unwrap_err();
        assert!(!said.contains("panicked"), "{said}");
        said
    };
    let said = refusal(&fast.create("app"), &[]);
    assert!(said.contains("fsync") && said.contains("KEEPWARD_UNSAFE_POSTGRES"), "{said}");
    let unsafe_one = durable.create("unsafe");
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        change_setting(&durable, setting, "off").await;
        let said = refusal(&unsafe_one, &[]);
        assert!(said.contains(&format!("turn {setting} on")), "{said}");
        change_setting(&durable, setting, "on").await;
    }
    let said = refusal(&durable.url("missing"), &[]);
    assert!(said.contains("does not exist"), "{said}");
    let said = refusal("postgres://app:hunter2@127.0.0.1:1/app", &[]);
    assert!(said.contains("can't be opened") && !said.contains("hunter2"), "{said}");
    let foreign = durable.create("strangers");
    for statement in OF_ANOTHER_PROGRAM {
        run(&foreign, statement).await;
        let said = refusal(&foreign, &[]);
        assert!(said.contains("another program"), "{said}");
    }
    let newer = durable.create("newer");
    assert!(start(&newer, folder.path(), &[]).unwrap().stop().success());
    run(&newer, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)").await;
    let said = refusal(&newer, &[]);
    assert!(said.contains("newer version") && said.contains("m9999_later"), "{said}");
    run(&newer, "DELETE FROM seaql_migrations WHERE version = 'm9999_later'").await;
    // A command beside servers of another version brings nothing to its own.
    run(&newer, "UPDATE seaql_migrations SET version = 'm9999_later' WHERE version = 'm0002_audit_by_time'").await;
    let beside = |url: &str| {
        let mut command = keepward_tests::command(folder.path());
        let output = command.args(["audit", "verify"]).env("KEEPWARD_DATABASE_URL", url).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(beside(&newer).contains("newer version"));
    run(&newer, "DELETE FROM seaql_migrations WHERE version = 'm9999_later'").await;
    for _ in 0..2 {
        let said = beside(&newer);
        assert!(said.contains("older version") && said.contains("`migrate`"), "{said}");
    }
    let empty = durable.create("empty");
    for _ in 0..2 {
        let said = beside(&empty);
        assert!(said.contains("no keys yet"), "{said}");
    }
    let database = Database::connect(&empty).await.unwrap();
    const TABLES: &str = "SELECT 1 AS one FROM pg_tables WHERE schemaname = 'public'";
    let tables = database.query_all_raw(Statement::from_string(DbBackend::Postgres, TABLES)).await.unwrap();
    assert!(tables.is_empty(), "a command has made tables");
    run(&newer, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m0002_audit_by_time', 0)").await;
    run(&newer, "ALTER DATABASE newer SET default_transaction_read_only = on").await;
    let said = refusal(&newer, &[]);
    assert!(said.contains("read-only"), "{said}");
    run(&durable.url("postgres"), "ALTER DATABASE newer SET default_transaction_read_only = off").await;
    // A server with another master key would open nothing: it says so, and does not start.
    let other = tempfile::tempdir().unwrap();
    let said = start(&newer, other.path(), &[]).map(drop).unwrap_err();
    assert!(said.contains("master key"), "{said}");
    let third = durable.create("third");
    assert!(start(&third, other.path(), &[]).unwrap().stop().success());
    let said = start(&newer, other.path(), &[]).map(drop).unwrap_err();
    assert!(said.contains("master key is not the one"), "{said}");
    drop(start(&newer, folder.path(), &[]).unwrap());
}

#[tokio::test]
async fn servers_that_start_at_once_on_an_empty_database_all_come_up() {
    if !is_postgres() {
        return; // A file has one server.
    }
    let cluster = Cluster::start(Durability::Full);
    let (url, folder) = (cluster.create("app"), tempfile::tempdir().unwrap());
    // Makes the master key that they share.
    assert!(start(&cluster.create("first"), folder.path(), &[]).unwrap().stop().success());
    let migrated = keepward_tests::command(folder.path()).arg("migrate").env("KEEPWARD_DATABASE_URL", &url).status();
    assert!(migrated.unwrap().success());
    run(&url, "DROP TABLE seaql_migrations, meta, key_record, organisation, users, api_key, agent, vault, secret_version, policy, revoked_token, audit_event, audit_head").await;
    let starts: Vec<_> = (0..3)
        .map(|_| {
            let mut migrate = keepward_tests::command(folder.path());
            migrate.arg("migrate").env("KEEPWARD_DATABASE_URL", &url);
            tokio::task::spawn_blocking(move || migrate.output().unwrap())
        })
        .collect();
    for started in starts {
        let output = started.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let starts: Vec<_> = (0..3)
        .map(|_| {
            let (url, folder) = (url.clone(), folder.path().to_owned());
            tokio::task::spawn_blocking(move || start(&url, &folder, &[]).unwrap())
        })
        .collect();
    let servers: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
    let organisation = Organisation::on(&servers[0].url).await;
    for server in &servers {
        let there = keepward_tests::client(&server.url, &organisation.owner_token);
        assert_eq!(there.account().get().await.unwrap().id, Some(organisation.owner_id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_count_reads_and_number_versions_as_one() {
    if !is_postgres() {
        return; // A file has one server.
    }
    let scene = OnPostgres::set(2).await;
    let OnPostgres { servers, organisation, vault, .. } = &scene;
    let vault = *vault;
    let (agent, key) = organisation.agent().await;
    organisation.grant(vault, "**", agent, &[Read]).await;
    organisation.owner.secrets().put(vault, "few", "v").max_access_count(3).await.unwrap();
    let agents: Vec<_> = servers
        .iter()
        .map(|server| builder(&server.url).agent_key(key.clone()).max_retries(0).build().unwrap())
        .collect();
    let readers: Vec<_> = (0..24)
        .map(|n| {
            let client = agents[n % 2].clone();
            tokio::spawn(async move { client.secrets().get(vault, "few").await })
        })
        .collect();
    let mut read = 0;
    for reader in readers {
        match reader.await.unwrap() {
            Ok(_) => read += 1,
            Err(error) => assert_eq!(error.status(), Some(410), "{error:?}"),
        }
    }
    assert_eq!(read, 3);

    const WRITES: usize = 5_000;
    const PATHS: usize = 50;
    const AT_ONCE: usize = 64;
    let owners: Vec<_> =
        servers.iter().map(|server| keepward_tests::client(&server.url, &organisation.owner_token)).collect();
    let writers: Vec<_> = (0..AT_ONCE)
        .map(|writer| {
            let client = owners[writer % 2].clone();
            tokio::spawn(async move {
                let mut versions = Vec::new();
                for n in (writer..WRITES).step_by(AT_ONCE) {
                    let path = format!("p/{}", n % PATHS);
                    let written = client.secrets().put(vault, path.as_str(), "v").await.unwrap();
                    versions.push((path, written.version));
                }
                versions
            })
        })
        .collect();
    let mut versions = Vec::new();
    for writer in writers {
        versions.extend(writer.await.unwrap());
    }
    versions.sort();
    let expected: Vec<_> = {
        let all = (0..PATHS).flat_map(|p| (1..=WRITES / PATHS).map(move |v| (format!("p/{p}"), v as i32)));
        let mut all: Vec<_> = all.collect();
        all.sort();
        all
    };
    assert_eq!(versions, expected, "each path has versions 1 to 100, each once");
    // What one server took away, the other gives no more.
    organisation.owner.agents().deactivate(agent).await.unwrap();
    for agent in &agents {
        assert_eq!(agent.agents().me().await.unwrap_err().status(), Some(401));
    }
    scene.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_stops_and_is_killed_loses_nothing() {
    if !is_postgres() {
        return; // SQLite lives in the server: kill.rs kills that.
    }
    let kills = kills(5);
    let mut scene = OnPostgres::set(1).await;
    let (key, vault, url) = (scene.key().await, scene.vault, scene.servers[0].url.clone());
    scene.cluster.stop("fast");
    wait_for_health(&url, "degraded").await;
    let token = scene.organisation.owner_token.as_str();
    for (method, path) in [("GET", "/v1/auth/me".to_owned()), ("PUT", format!("/v1/vaults/{vault}/secrets/a"))] {
        let body = serde_json::json!({"value": "v"});
        let answer = scene.organisation.http.send(method, &path, Some(token), Some(&body)).await;
        assert!(answer.is_problem(503) && !answer.header("retry-after").is_empty(), "{answer:?}");
    }
    scene.cluster.restart();
    wait_for_health(&url, "healthy").await;
    scene.organisation.owner.secrets().put(vault, "a", "v").await.unwrap();

    for round in 0..kills {
        let before = scene.acknowledged();
        let writers = scene.write(&key);
        let moment = random(100..600);
        println!("round {round}: killed after {moment} ms");
        tokio::time::sleep(Duration::from_millis(moment)).await;
        scene.cluster.kill();
        scene.cluster.restart();
        // It goes on by itself.
        let killed = scene.acknowledged();
        scene.wait_for_more(killed, 10).await;
        writers.stop().await;
        assert!(scene.acknowledged() > before);
        scene.verify();
    }
    scene.judge(key).await;
}

/// The primary dies with its disk; the standby, which has all that was acknowledged, takes its place behind the same address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_a_synchronous_standby_loses_nothing() {
    if !is_postgres() {
        return; // SQLite has no standby.
    }
    fail_over(|primary| {
        primary.kill();
        None
    })
    .await;
}

/// The same where the primary's machine hangs: connections stay, and nobody says anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_from_a_primary_that_hangs_loses_nothing() {
    if !is_postgres() {
        return; // SQLite has no standby.
    }
    fail_over(|primary| Some(primary.pause())).await;
}

/// Waits until a primary acknowledges nothing that its standby does not have.
async fn wait_for_standby(primary: &Cluster) {
    let database = Database::connect(primary.url("postgres")).await.unwrap();
    const ASK: &str = "SELECT 1 AS one FROM pg_stat_replication WHERE sync_state = 'sync'";
    let bound = Instant::now() + Duration::from_secs(30);
    while database.query_one_raw(Statement::from_string(DbBackend::Postgres, ASK)).await.unwrap().is_none() {
        assert!(Instant::now() < bound, "the standby is not synchronous");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server on a primary that has a synchronous standby, both behind one address.
struct Replicated {
    primary: Cluster,
    standby: Cluster,
    front: Front,
    url: String,
    folder: TempDir,
    server: OwnServer,
    organisation: Organisation,
    vault: VaultId,
    key: SecretText,
}

impl Replicated {
    async fn set() -> Self {
        let primary = Cluster::start(Durability::Full);
        primary.create("app");
        let standby = Cluster::standby_of(&primary);
        let front = Front::start(vec![primary.address()]);
        let url = format!("postgres://app@{}/app", front.address);
        let folder = tempfile::tempdir().unwrap();
        let server = start(&url, &folder.path().join("data"), &[]).unwrap();
        let organisation = Organisation::on(&server.url).await;
        let vault = organisation.vault().await;
        let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
        wait_for_standby(&primary).await;
        Self { primary, standby, front, url, folder, server, organisation, vault, key }
    }

    fn fail_over(&self) {
        self.standby.promote();
        self.front.turn_to(vec![self.standby.address()]);
    }
}

/// How long after its new primary is there a server may need.
const FAILOVER: Duration = Duration::from_secs(10);

async fn fail_over(fail: impl FnOnce(&Cluster) -> Option<Paused>) {
    let scene = Replicated::set().await;
    let (server, folder) = (&scene.server, scene.folder.path());
    let writers = Writers::start(&[&server.url], &scene.key, scene.vault, folder);
    acknowledged::wait_for_more(folder, 0, 20, || server.log()).await;
    let _paused = fail(&scene.primary);
    scene.fail_over();
    // Answers again by itself, and everybody.
    let (bound, failed) = (Instant::now() + FAILOVER, acknowledged::counts(folder));
    let goes_on = |now: Vec<usize>| now.iter().zip(&failed).all(|(now, failed)| *now > failed + 2);
    while !goes_on(acknowledged::counts(folder)) {
        assert!(Instant::now() < bound, "not every writer goes on after the failover: {}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    writers.stop().await;
    acknowledged::judge(&builder(&server.url).token(scene.key.clone()).build().unwrap(), scene.vault, folder).await;
    verify(&folder.join("data"), &scene.url);
}

/// Connections that nobody used while the primary hung lead to it still: nothing may wait for it, nor believe it when it is
/// back and does not know that it is no primary any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_server_forgets_a_primary_that_hangs() {
    if !is_postgres() {
        return; // SQLite has no standby.
    }
    let scene = Replicated::set().await;
    let (server, vault) = (&scene.server, scene.vault);
    // By token: such lookups have connections of their own, outside of pools.
    let client = builder(&server.url).token(scene.organisation.owner_token.as_str()).max_retries(0).timeout(FAILOVER);
    let client = client.build().unwrap();
    client.secrets().put(vault, "a", "v").await.unwrap();
    let reads = || join_all((0..40).map(|_| async { client.secrets().get(vault, "a").await }));
    // Every connection that there can be is made, that of whoever looks after the database, too.
    assert!(reads().await.iter().all(Result::is_ok));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let paused = scene.primary.pause();
    scene.fail_over();
    let bound = Instant::now() + FAILOVER;
    while !server.log().contains("the database answers again") {
        assert!(Instant::now() < bound, "the new primary is not found: {}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client.secrets().put(vault, "b", "v").await.unwrap();
    for read in reads().await {
        read.unwrap();
    }
    // The token ends on the new primary; the old one, which is back, takes it still.
    client.auth().revoke().await.unwrap();
    drop(paused);
    for read in reads().await {
        assert_eq!(read.unwrap_err().status(), Some(401));
    }
}

/// An old primary comes back as a standby behind the same address, and the address moves for new connections only: nothing is
/// read from what is behind for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_from_a_primary_that_became_a_standby() {
    if !is_postgres() {
        return; // SQLite has no standby.
    }
    let mut scene = Replicated::set().await;
    let vault = scene.vault;
    let owner = &scene.organisation.owner;
    owner.secrets().put(vault, "a", "v").await.unwrap();
    let (agent, key) = scene.organisation.agent().await;
    scene.organisation.grant(vault, "a", agent, &[Read]).await;
    let exchange = serde_json::json!({"api_key": key.expose()});
    let answer = scene.organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&exchange)).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let as_agent = builder(&scene.server.url).token(token.as_str()).max_retries(0).timeout(FAILOVER).build().unwrap();
    assert_eq!(as_agent.secrets().get(vault, "a").await.unwrap().value.expose(), "v");
    scene.primary.stop("fast");
    scene.primary.restart_as_standby();
    // Long enough for whatever would connect to it again.
    let bound = Instant::now() + Duration::from_secs(5);
    while Instant::now() < bound && !scene.server.log().contains("the database answers again") {
        assert!(as_agent.secrets().get(vault, "a").await.is_err(), "a standby answers, and no event can be written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.fail_over();
    wait_for_health(&scene.server.url, "healthy").await;
    let bound = Instant::now() + FAILOVER;
    while scene.organisation.owner.agents().deactivate(agent).await.is_err() {
        assert!(Instant::now() < bound, "the new primary takes no writes: {}", scene.server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let by_key =
        async || scene.organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&exchange)).await.status;
    for _ in 0..20 {
        let read = as_agent.secrets().get(vault, "a").await.map(drop).unwrap_err();
        let list = as_agent.secrets().list(vault).await.map(drop).unwrap_err();
        assert_eq!((read.status(), list.status(), by_key().await), (Some(401), Some(401), 401));
    }
}

/// A server that is frozen in the middle of its work, locks and all, keeps another one waiting and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_does_not_stop_the_other() {
    if !is_postgres() {
        return; // A file has one server.
    }
    let scene = OnPostgres::set(2).await;
    let (servers, key) = (&scene.servers, scene.key().await);
    let other = builder(&servers[1].url).token(key.clone()).max_retries(0).build().unwrap();
    let writers = scene.write(&key);
    for round in 0..5 {
        let before = scene.acknowledged();
        scene.wait_for_more(before, 5 + round * 3).await;
        let frozen = Paused::process(servers[0].pid());
        // What the other's writers write, too: their secrets may be locked.
        for n in 0..4 {
            other.secrets().put(scene.vault, format!("writer/{n}").as_str(), "other's").await.unwrap();
        }
        drop(frozen);
    }
    writers.stop().await;
    scene.judge(key).await;
}
