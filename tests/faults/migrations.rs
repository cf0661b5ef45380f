//! Databases of older, newer and half-made versions.

use crate::faults::postgres;
use keepward::Client;
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

fn put_key(data_dir: &Path, key: &[u8]) {
    let path = data_dir.join("master.key");
    std::fs::write(&path, key).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Who made what is in the old databases.
async fn owner(server: &OwnServer) -> Client {
    let body = serde_json::json!({"email": "owner@example.com", "password": PASSWORD});
    let login = Http::new(&server.url).send("POST", "/v1/auth/token", None, Some(&body)).await;
    keepward_tests::client(&server.url, login.json()["access_token"].as_str().unwrap())
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
    put_key(data, include_bytes!("old/m0001.master.key"));
    let server = OwnServer::start(data, &[]);
    let client = owner(&server).await;
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

/// What a server of the version before commits while a newer one begins is kept.
async fn write_while_it_is_migrated(url: &str, data_dir: &Path) {
    let older = Database::connect(url).await.unwrap();
    let writing = sea_orm::TransactionTrait::begin(&older).await.unwrap();
    const WRITE: &str = "UPDATE secret_version SET metadata = '{\"who\":\"late\"}' WHERE metadata <> '{}'";
    assert_eq!(writing.execute_unprepared(WRITE).await.unwrap().rows_affected(), 1);
    let mut migrate = begin(data_dir, Some(url));
    wait_for(&older, "wait_event_type = 'Lock'", &mut migrate).await;
    writing.commit().await.unwrap();
    assert!(migrate.wait().unwrap().success());
    older.close().await.unwrap();
}

/// Two tables of secrets have become one, and every secret is what it was.
#[tokio::test]
async fn secrets_of_the_second_version_are_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    put_key(data, include_bytes!("old/m0002.master.key"));
    let cluster = is_postgres().then(|| Cluster::start(Durability::Full));
    let url =
        cluster.as_ref().map_or_else(|| format!("{}?mode=rwc", database_url(data)), |cluster| cluster.create("old"));
    let server = if is_postgres() {
        postgres::run(&url, include_str!("old/m0002.postgres.sql")).await;
        kill_behind_the_first_statement(&url, data).await;
        write_while_it_is_migrated(&url, data).await;
        postgres::start(&url, data, &[]).unwrap()
    } else {
        run(data, include_str!("old/m0002.sqlite.sql")).await;
        OwnServer::start(data, &[])
    };
    let client = owner(&server).await;
    let vault = client.vaults().list().await.unwrap().vaults[0].id;
    let listed = client.secrets().list(vault).await.unwrap().secrets;
    let listed: Vec<_> = listed.iter().map(|secret| (secret.path.as_str(), secret.version)).collect();
    assert_eq!(listed, [("old/again", 2), ("old/counted", 1), ("old/secret", 3)]);
    let is_gone = async |path: &str| client.secrets().get(vault, path).await.is_err_and(|error| error.is_gone());
    assert!(is_gone("old/deleted").await);
    let secret = client.secrets().get(vault, "old/secret").await.unwrap();
    assert_eq!((secret.value.expose(), secret.version), ("kept", 3));
    let again = client.secrets().get(vault, "old/again").await.unwrap();
    assert_eq!((again.value.expose(), again.version), ("kept", 2));
    // Two of three reads were used.
    let counted = client.secrets().get(vault, "old/counted").await.unwrap();
    assert_eq!((counted.value.expose(), counted.type_.to_string().as_str()), ("kept", "password"));
    assert_eq!(counted.metadata["who"], if is_postgres() { "late" } else { "old" });
    assert!(is_gone("old/counted").await);
    // Versions go on where they were, ids stay.
    let written = client.secrets().put(vault, "old/secret", "new").await.unwrap();
    assert_eq!((written.id, written.version), (secret.id, 4));
    assert_eq!(client.secrets().put(vault, "old/deleted", "new").await.unwrap().version, 3);
    assert_eq!(client.secrets().get(vault, "old/deleted").await.unwrap().value.expose(), "new");
    // A vault goes with all of its versions.
    let count = async || {
        let database = Database::connect(&url).await.unwrap();
        let ask = Statement::from_string(database.get_database_backend(), "SELECT count(*) AS n FROM secret_version");
        let row = database.query_one_raw(ask).await.unwrap().unwrap();
        database.close().await.unwrap();
        row.try_get_by::<i64, _>("n").unwrap()
    };
    assert_eq!(count().await, 10);
    client.vaults().delete(vault).await.unwrap();
    assert_eq!(count().await, 0);
    assert!(server.stop().success());
    let mut verify = command(data);
    if is_postgres() {
        verify.env("KEEPWARD_DATABASE_URL", &url);
    }
    assert!(verify.args(["audit", "verify"]).status().unwrap().success());
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

/// Until a migration on PostgreSQL waits for something.
async fn wait_for(database: &sea_orm::DatabaseConnection, what: &str, migrate: &mut Child) {
    let ask = format!("SELECT 1 AS one FROM pg_stat_activity WHERE application_name = 'keepward' AND {what}");
    let bound = Instant::now() + Duration::from_secs(30);
    while database.query_one_raw(Statement::from_string(DbBackend::Postgres, &ask)).await.unwrap().is_none() {
        assert!(Instant::now() < bound && migrate.try_wait().unwrap().is_none(), "it does not wait");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Kills a migration on PostgreSQL before it is all done.
async fn kill_behind_the_first_statement(url: &str, data_dir: &Path) {
    const SLOW: &str =
        "CREATE FUNCTION slow() RETURNS event_trigger AS $$ BEGIN PERFORM pg_sleep(3); END $$ LANGUAGE plpgsql;
        CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow()";
    postgres::run(url, SLOW).await;
    let mut migrate = begin(data_dir, Some(url));
    let database = Database::connect(url).await.unwrap();
    wait_for(&database, "wait_event = 'PgSleep'", &mut migrate).await;
    migrate.kill().unwrap();
    migrate.wait().unwrap();
    database.close().await.unwrap();
    postgres::run(url, "DROP EVENT TRIGGER slow").await;
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

    postgres::run(&url, BEFORE).await;
    kill_behind_the_first_statement(&url, folder.path()).await;
    drop(postgres::start(&url, folder.path(), &[]).unwrap());
    const KNOWN: &str = "SELECT 1 AS one FROM seaql_migrations WHERE version = 'm0002_audit_by_time'";
    assert!(holder.query_one_raw(Statement::from_string(DbBackend::Postgres, KNOWN)).await.unwrap().is_some());
}

/// Scopes that an earlier version took for labels, though they were meant as limits, are printed.
#[tokio::test]
async fn migrate_prints_scopes_that_limit_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = keepward_tests::Organisation::on(&server.url).await;
    let (agent, _) = organisation.agent().await;
    organisation.owner.api_keys().create("k").scopes(["prod/**".to_owned()]).await.unwrap();
    assert!(server.stop().success());
    let database = Database::connect(database_url(folder.path())).await.unwrap();
    database.execute_unprepared("UPDATE agent SET scopes = '[\"secret:test/**\",\"a/**\",\"label\"]'").await.unwrap();
    database.close().await.unwrap();
    let output = command(folder.path()).arg("migrate").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.lines().count() == 1, "{said}");
    assert!(said.contains(&agent.to_string()) && said.contains("secret:test/**"), "{said}");
}
