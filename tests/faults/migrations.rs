//! Databases of older, newer and half-made versions.

use crate::postgres;
use keepward_tests::{Cluster, Durability, Http, OwnServer, PASSWORD, command, database_url, is_postgres};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

async fn run(data_dir: &Path, sql: &str) {
    let database = Database::connect(format!("{}?mode=rwc", database_url(data_dir))).await.unwrap();
    database.execute_unprepared(sql).await.unwrap();
    database.close().await.unwrap();
}

/// The database of the first version is brought to this one, and everything in it is as it was.
#[tokio::test]
async fn a_database_of_the_first_version_is_brought_to_this_one() {
    if is_postgres() {
        return; // The old file is SQLite's; every new database on PostgreSQL goes the same way.
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    run(data, include_str!("old/m0001.sql")).await;
    std::fs::write(data.join("master.key"), include_bytes!("old/m0001.master.key")).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(data.join("master.key"), private).unwrap();
    let server = OwnServer::start(data, &[]);
    let body = serde_json::json!({"email": "owner@example.com", "password": PASSWORD});
    let login = Http::new(&server.url).send("POST", "/v1/auth/token", None, Some(&body)).await;
    let client = keepward_tests::client(&server.url, login.json()["access_token"].as_str().unwrap());
    let vault = client.vaults().list().await.unwrap().vaults[0].id;
    let secret = client.secrets().get(vault, "old/secret").await.unwrap();
    assert_eq!((secret.value.expose(), secret.version), ("kept", 3));
    client.secrets().put(vault, "old/secret", "new").await.unwrap();
    // Times are searched by halves now, over events of both versions.
    let all = client.audit().events().await.unwrap().events;
    let middle = all[all.len() / 2].created_at.unwrap();
    let since = client.audit().events().from(middle).await.unwrap().events;
    let until = client.audit().events().to(middle).await.unwrap().events;
    assert!(since.iter().all(|event| event.created_at.unwrap() >= middle));
    assert!(until.iter().all(|event| event.created_at.unwrap() <= middle));
    assert_eq!(since.len() + until.len(), all.len() + 1, "the one of that time is in both");
    assert!(server.stop().success());
    assert!(command(data).args(["audit", "verify"]).status().unwrap().success());
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    if is_postgres() {
        return; // postgres.rs has it.
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    run(folder.path(), "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)").await;
    let said = OwnServer::try_start(folder.path(), &[]).map(drop).unwrap_err();
    assert!(said.contains("newer version") && said.contains("m9999_later"), "{said}");
}

fn begin(data_dir: &Path, database: Option<&str>) -> Child {
    let mut migrate = command(data_dir);
    migrate.arg("migrate").stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(url) = database {
        migrate.env("KEEPWARD_DATABASE_URL", url);
    }
    migrate.spawn().unwrap()
}

/// Killed at any point of its first start, it goes on at the next one.
#[tokio::test]
async fn a_first_start_that_is_killed_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for (n, milliseconds) in (0..24).zip((0..).step_by(3)) {
        let data = folder.path().join(n.to_string());
        if is_postgres() {
            // Made as every server's database is, by a start that is refused.
            assert!(OwnServer::try_start(&data, &[("KEEPWARD_NONSENSE", "1")]).is_err());
        }
        let mut first = begin(&data, None);
        std::thread::sleep(Duration::from_millis(milliseconds));
        first.kill().unwrap();
        first.wait().unwrap();
        assert!(OwnServer::start(&data, &[]).stop().success());
    }
}

/// A migration of a database in use is killed while it waits for a table; the next one goes on.
#[tokio::test]
async fn a_migration_that_is_killed_halfway_goes_on() {
    const BEFORE: &str = "CREATE INDEX ix_audit_event_org_id_created_at ON audit_event (org_id, created_at);
        DELETE FROM seaql_migrations WHERE version = 'm0002_audit_by_time'";
    let folder = tempfile::tempdir().unwrap();
    if !is_postgres() {
        assert!(OwnServer::start(folder.path(), &[]).stop().success());
        run(folder.path(), BEFORE).await;
        let database = Database::connect(database_url(folder.path())).await.unwrap();
        let writer = database.clone();
        writer.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
        let mut migrate = begin(folder.path(), None);
        std::thread::sleep(Duration::from_millis(500));
        assert!(migrate.try_wait().unwrap().is_none(), "it waits for the file");
        migrate.kill().unwrap();
        migrate.wait().unwrap();
        writer.execute_unprepared("ROLLBACK").await.unwrap();
        database.close().await.unwrap();
        drop(OwnServer::start(folder.path(), &[]));
        return;
    }
    let cluster = Cluster::start(Durability::Full);
    let url = cluster.create("app");
    assert!(postgres::start(&url, folder.path(), &[]).unwrap().stop().success());
    postgres::run(&url, BEFORE).await;
    let holder = Database::connect(&url).await.unwrap();
    let holding = sea_orm::TransactionTrait::begin(&holder).await.unwrap();
    holding.execute_unprepared("LOCK TABLE audit_event IN ACCESS SHARE MODE").await.unwrap();
    let mut migrate = begin(folder.path(), Some(&url));
    std::thread::sleep(Duration::from_millis(500));
    assert!(migrate.try_wait().unwrap().is_none(), "it waits for the table");
    migrate.kill().unwrap();
    migrate.wait().unwrap();
    holding.rollback().await.unwrap();
    drop(postgres::start(&url, folder.path(), &[]).unwrap());

    // Killed behind its first statement, before it is all done.
    const SLOW: &str =
        "CREATE FUNCTION slow() RETURNS event_trigger AS $$ BEGIN PERFORM pg_sleep(3); END $$ LANGUAGE plpgsql;
        CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow()";
    postgres::run(&url, BEFORE).await;
    postgres::run(&url, SLOW).await;
    let mut migrate = begin(folder.path(), Some(&url));
    const ASK: &str =
        "SELECT 1 AS one FROM pg_stat_activity WHERE application_name = 'keepward' AND wait_event = 'PgSleep'";
    let bound = Instant::now() + Duration::from_secs(30);
    while holder.query_one_raw(Statement::from_string(DbBackend::Postgres, ASK)).await.unwrap().is_none() {
        assert!(Instant::now() < bound && migrate.try_wait().unwrap().is_none(), "it changes no table");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    migrate.kill().unwrap();
    migrate.wait().unwrap();
    postgres::run(&url, "DROP EVENT TRIGGER slow").await;
    drop(postgres::start(&url, folder.path(), &[]).unwrap());
    const KNOWN: &str = "SELECT 1 AS one FROM seaql_migrations WHERE version = 'm0002_audit_by_time'";
    assert!(holder.query_one_raw(Statement::from_string(DbBackend::Postgres, KNOWN)).await.unwrap().is_some());
}
