//! PostgreSQL that is full, slow, at odds with others, or cuts its connections.

use crate::faults::postgres::{OnPostgres, run, start, wait_for_health};
use futures_util::future::join_all;
use keepward::types::PolicyPermission::{Read, Write};
use keepward_tests::{Answer, Cluster, Durability, Mount, Organisation, builder, is_postgres};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::json;
use std::time::{Duration, Instant};

async fn put(organisation: &Organisation, vault: keepward::VaultId, path: &str) -> Answer {
    let (path, body) = (format!("/v1/vaults/{vault}/secrets/{path}"), json!({"value": "v"}));
    organisation.http.send("PUT", &path, Some(&organisation.owner_token), Some(&body)).await
}

fn is_told_to_come_again(answer: &Answer) -> bool {
    answer.is_problem(503) && !answer.header("retry-after").is_empty()
}

/// Waits until a write is refused because the database can't take it.
async fn wait_for_refusal(organisation: &Organisation, vault: keepward::VaultId) {
    let bound = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = put(organisation, vault, "probe").await;
        if answer.status == 503 {
            return assert!(is_told_to_come_again(&answer), "{answer:?}");
        }
        assert!(Instant::now() < bound && matches!(answer.status, 200 | 201), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_loses_nothing() {
    if !is_postgres() {
        return; // kill.rs fills SQLite's.
    }
    let disk = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::tmpfs(disk.path(), "size=160m") else { return };
    let mut scene = OnPostgres::set_on(Cluster::start_in(disk.path(), Durability::Full), 1).await;
    let key = scene.key().await;
    let writers = scene.write(&key);
    scene.wait_for_more(0, 20).await;
    let rest = disk.path().join("rest");
    let mut filler = std::fs::File::create(&rest).unwrap();
    while std::io::Write::write_all(&mut filler, &[0; 64 * 1024]).is_ok() {}
    wait_for_refusal(&scene.organisation, scene.vault).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let full = scene.acknowledged();
    drop(filler);
    std::fs::remove_file(&rest).unwrap();
    if !scene.cluster.is_running() {
        scene.cluster.restart();
    }
    scene.wait_for_more(full, 10).await;
    writers.stop().await;
    scene.judge(key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_lose_nothing() {
    if !is_postgres() {
        return; // SQLite has none.
    }
    let scene = OnPostgres::set(1).await;
    let (organisation, key) = (&scene.organisation, scene.key().await);
    let writers = scene.write(&key);
    let database = Database::connect(&scene.url).await.unwrap();
    const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keepward'";
    for round in 0..20 {
        let before = scene.acknowledged();
        database.execute_unprepared(CUT).await.unwrap();
        // A reader that finds its connection cut asks again.
        let read = organisation.http.get("/v1/auth/me", &organisation.owner_token).await;
        assert!(read.status == 200 || is_told_to_come_again(&read), "{read:?}");
        scene.wait_for_more(before, 2 + round % 5).await;
    }
    writers.stop().await;
    scene.judge(key).await;
}

/// Requests wait for a database that is slow, and those that need nothing of what it is slow with do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_database_is_waited_for() {
    if !is_postgres() {
        return; // SQLite is as fast as its disk.
    }
    let scene = OnPostgres::set(1).await;
    let OnPostgres { organisation, vault, url, .. } = &scene;
    let vault = *vault;
    for seconds in [1, 12] {
        let database = Database::connect(url).await.unwrap();
        let holding = database.begin().await.unwrap();
        holding.execute_unprepared("LOCK TABLE secret_version IN EXCLUSIVE MODE").await.unwrap();
        let path = format!("slow/{seconds}");
        let held = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            holding.rollback().await.unwrap();
        };
        let read = async {
            // Readers are not in the way of a writer that waits.
            assert_eq!(organisation.http.get("/v1/auth/me", &organisation.owner_token).await.status, 200);
        };
        let (written, (), ()) = tokio::join!(put(organisation, vault, &path), held, read);
        let is_there = organisation.owner.secrets().get(vault, path.as_str()).await;
        // Longer than one lock is waited for, too: the transaction is run again.
        assert!(matches!(written.status, 200 | 201) && is_there.is_ok(), "{written:?}");
    }
    wait_for_health(&scene.servers[0].url, "healthy").await;
    assert!(matches!(put(organisation, vault, "after").await.status, 200 | 201));
}

/// A read that the database does not answer is given up, and so is the connection that it waited on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_never_answered_is_given_up() {
    if !is_postgres() {
        return; // SQLite's readers wait for nobody.
    }
    let scene = OnPostgres::set(1).await;
    let OnPostgres { organisation, vault, url, .. } = &scene;
    let vault = *vault;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    let database = Database::connect(url).await.unwrap();
    let holding = database.begin().await.unwrap();
    holding.execute_unprepared("LOCK TABLE vault IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let path = format!("/v1/vaults/{vault}/secrets/a");
    let read = organisation.http.get(&path, &organisation.owner_token).await;
    assert!(is_told_to_come_again(&read), "{read:?}");
    holding.rollback().await.unwrap();
    let read = organisation.http.get(&path, &organisation.owner_token).await;
    assert_eq!((read.status, read.json()["value"].as_str().unwrap()), (200, "v"));
    // The lock ended with the database's own limit. Where nobody is there to keep that, the server's own counts, on a
    // connection that was good.
    let reads = (0..32).map(|_| organisation.http.get(&path, &organisation.owner_token));
    assert!(join_all(reads).await.iter().all(|read| read.status == 200));
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    assert_eq!(organisation.http.get(&path, key.expose()).await.status, 200);
    let paused = scene.cluster.pause();
    // Through every kind of connection: of lookups, of the pool, of the writer.
    let (read, written, listed, keyed) = tokio::join!(
        organisation.http.get(&path, &organisation.owner_token),
        put(organisation, vault, "b"),
        organisation.http.get("/v1/audit/events", &organisation.owner_token),
        organisation.http.get(&path, key.expose()),
    );
    for answer in [read, written, listed, keyed] {
        assert!(is_told_to_come_again(&answer), "{answer:?}");
    }
    drop(paused);
    wait_for_health(&scene.servers[0].url, "healthy").await;
    assert_eq!(organisation.http.get(&path, &organisation.owner_token).await.status, 200);
}

/// What locks and checks in units rely on, whatever the database's own default is.
#[tokio::test]
async fn transactions_are_read_committed_on_a_database_with_another_default() {
    if !is_postgres() {
        return; // SQLite has one writer.
    }
    let cluster = Cluster::start(Durability::Full);
    run(&cluster.url("postgres"), "ALTER ROLE app SET default_transaction_isolation = 'serializable'").await;
    let scene = OnPostgres::set_on(cluster, 1).await;
    let OnPostgres { organisation, vault, url, .. } = &scene;
    let vault = *vault;
    let strict = "CREATE FUNCTION strict() RETURNS trigger AS $$ BEGIN
            IF current_setting('transaction_isolation') <> 'read committed'
                OR current_setting('statement_timeout') <> '30s' OR current_setting('lock_timeout') <> '10s'
                OR current_setting('idle_in_transaction_session_timeout') <> '5s' THEN RAISE EXCEPTION 'not so'; END IF;
            RETURN NEW;
        END $$ LANGUAGE plpgsql;
        CREATE TRIGGER strict BEFORE INSERT OR UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION strict();
        CREATE TRIGGER strict BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION strict();
        CREATE TRIGGER strict BEFORE INSERT ON revoked_token FOR EACH ROW EXECUTE FUNCTION strict()";
    run(url, strict).await;
    let others = Database::connect(url).await.unwrap();
    let insert = "INSERT INTO revoked_token (jti, expires_at) VALUES (gen_random_uuid(), 0)";
    let refused = others.execute_unprepared(insert).await.unwrap_err();
    assert!(refused.to_string().contains("not so"), "the trigger tells: {refused}");
    assert_eq!(put(organisation, vault, "a").await.status, 201);
    assert!(organisation.owner.secrets().get(vault, "a").await.is_ok());
}

/// A transaction that another one was in the way of is run again; one that never passes is refused and changes nothing.
#[tokio::test]
async fn serialization_failures_are_run_again() {
    if !is_postgres() {
        return; // SQLite has one writer.
    }
    let scene = OnPostgres::set(1).await;
    let OnPostgres { organisation, vault, url, .. } = &scene;
    let vault = *vault;
    // Sequences count on when a transaction is undone.
    let fail = |times: u32| {
        format!(
            "CREATE SEQUENCE fails;
            CREATE FUNCTION fail() RETURNS trigger AS $$ BEGIN
                IF nextval('fails') <= {times} THEN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END IF;
                RETURN NEW;
            END $$ LANGUAGE plpgsql;
            CREATE TRIGGER fail BEFORE INSERT ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION fail()"
        )
    };
    const CALM: &str = "DROP TRIGGER fail ON audit_event; DROP FUNCTION fail; DROP SEQUENCE fails";
    run(url, &fail(2)).await;
    let written = put(organisation, vault, "twice").await;
    assert!(matches!(written.status, 200 | 201) && written.json()["version"] == 1, "{written:?}");
    run(url, CALM).await;
    run(url, &fail(1_000)).await;
    let refused = put(organisation, vault, "never").await;
    assert!(is_told_to_come_again(&refused), "{refused:?}");
    run(url, CALM).await;
    assert!(organisation.owner.secrets().get(vault, "never").await.unwrap_err().is_not_found());
    let events = organisation.events().await.len();
    let written = put(organisation, vault, "never").await;
    assert!(matches!(written.status, 200 | 201) && written.json()["version"] == 1, "{written:?}");
    assert_eq!(organisation.events().await.len(), events + 1, "of what was refused there is no event");
    scene.verify();
}

#[tokio::test]
async fn too_many_connections_are_waited_out() {
    if !is_postgres() {
        return; // SQLite has none.
    }
    let cluster = Cluster::start(Durability::Full);
    let (url, folder) = (cluster.create("app"), tempfile::tempdir().unwrap());
    let admin = cluster.url("postgres");
    run(&admin, "CREATE ROLE server LOGIN CONNECTION LIMIT 1; ALTER DATABASE app OWNER TO server").await;
    run(&url, "ALTER SCHEMA public OWNER TO server").await;
    let url = url.replace("app@", "server@");
    let said = start(&url, folder.path(), &[]).map(drop).unwrap_err();
    assert!(said.contains("takes no more connections"), "{said}");
    run(&admin, "ALTER ROLE server CONNECTION LIMIT -1").await;
    let server = start(&url, folder.path(), &[]).unwrap();
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let cut = "ALTER ROLE server CONNECTION LIMIT 0;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'server'";
    run(&admin, cut).await;
    wait_for_health(&server.url, "degraded").await;
    let refused = put(&organisation, vault, "a").await;
    assert!(is_told_to_come_again(&refused), "{refused:?}");
    let read = organisation.http.get("/v1/auth/me", &organisation.owner_token).await;
    assert!(is_told_to_come_again(&read), "{read:?}");
    run(&admin, "ALTER ROLE server CONNECTION LIMIT -1").await;
    wait_for_health(&server.url, "healthy").await;
    let written = put(&organisation, vault, "a").await;
    assert!(matches!(written.status, 200 | 201) && written.json()["version"] == 1, "{written:?}");
}

/// Once one server has answered that an agent is deactivated, no write of it is acknowledged by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_after_the_answer_that_ended_its_writer() {
    if !is_postgres() {
        return; // A file has one server.
    }
    let scene = OnPostgres::set(2).await;
    let OnPostgres { servers, organisation, vault, .. } = &scene;
    let vault = *vault;
    for round in 0..10 {
        let (agent, key) = organisation.agent().await;
        organisation.grant(vault, "**", agent, &[Read, Write]).await;
        let path = format!("race/{round}");
        let client = builder(&servers[1].url).agent_key(key).max_retries(0).build().unwrap();
        client.secrets().put(vault, path.as_str(), "v").await.unwrap();
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (client, path) = (client.clone(), path.clone());
                tokio::spawn(async move { while client.secrets().put(vault, path.as_str(), "v").await.is_ok() {} })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(30 + round * 7)).await;
        organisation.owner.agents().deactivate(agent).await.unwrap();
        let version = organisation.owner.secrets().get(vault, path.as_str()).await.unwrap().version;
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(organisation.owner.secrets().get(vault, path.as_str()).await.unwrap().version, version);
    }
}
