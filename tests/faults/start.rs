//! Starting: what a server refuses, and says so; stopping.

use crate::faults::edit::edit;
use keepward_tests::{Mount, Organisation, OwnServer, command, is_postgres};
use sea_orm::ConnectionTrait;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn refusal(data_dir: &Path, settings: &[(&str, &str)]) -> String {
    match OwnServer::try_start(data_dir, settings) {
        Ok(_) => panic!("it started with {settings:?}"),
        Err(said) => said,
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_says_who_holds_it() {
    if is_postgres() {
        return; // Several servers may share it.
    }
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let said = refusal(folder.path(), &[]);
    assert!(said.contains(&server.pid().to_string()) && said.contains("another server"), "{said}");
    let migrated = command(folder.path()).arg("migrate").status().unwrap();
    assert!(migrated.success(), "host-side commands work beside it");
    // As if it were of an older version, whose tables would be gone.
    edit(folder.path(), "DELETE FROM seaql_migrations WHERE version = 'm0003_newest_version'").await;
    let refused = command(folder.path()).arg("migrate").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("another server"), "{said}");
    edit(folder.path(), "INSERT INTO seaql_migrations VALUES ('m0003_newest_version', 0)").await;
    assert!(server.stop().success());
    drop(OwnServer::start(folder.path(), &[]));
}

#[tokio::test]
async fn wrong_settings_are_named_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("KEEPWARD_SMTP_URL", "smtp://localhost"),
        ("KEEPWARD_DATABASE_URL", "mysql://localhost/x"),
        ("KEEPWARD_DATABASE_URL", "postgres://app@db.example.com/x?sslmode=disable"),
        ("KEEPWARD_KEYSTORE", "pkcs11"),
        ("KEEPWARD_BILLING", "on"),
        ("KEEPWARD_RATE_LIMIT", "many"),
        ("KEEPWARD_NONSENSE", "1"),
        ("KEEPWARD_LISTEN", "0.0.0.0:0"),
    ] {
        let said = refusal(folder.path(), &[(name, value)]);
        assert!(said.contains(name) && said.lines().count() == 1, "{said}");
    }
    let both = refusal(folder.path(), &[("KEEPWARD_BILLING", "on"), ("KEEPWARD_SIGNUP", "maybe")]);
    assert!(both.contains("KEEPWARD_BILLING") && both.contains("KEEPWARD_SIGNUP"), "{both}");
}

#[tokio::test]
async fn a_wrong_master_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    std::fs::remove_file(folder.path().join("master.key")).unwrap();
    let said = refusal(folder.path(), &[]);
    assert!(said.contains("master key"), "{said}");
    std::fs::write(folder.path().join("master.key"), "nonsense").unwrap();
    let said = refusal(folder.path(), &[]);
    assert!(said.contains("master key") || said.contains("0600"), "{said}");
}

/// One that blocks whoever opens it, one that is a folder, one that others may read.
#[tokio::test]
async fn a_master_key_that_is_no_file_of_its_own_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("master.key");
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    let key = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let said = refusal(folder.path(), &[]);
    assert!(said.contains("master key") && said.contains("ordinary file"), "{said}");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let said = refusal(folder.path(), &[]);
    assert!(said.contains("master key") && said.contains("ordinary file"), "{said}");
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, key).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let said = refusal(folder.path(), &[]);
    assert!(said.contains("master key") && said.contains("0600"), "{said}");
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    drop(OwnServer::start(folder.path(), &[]));
}

/// An emptied database would otherwise be a new one, open to whoever signs up first.
#[tokio::test]
async fn an_emptied_database_beside_its_key_is_refused() {
    if is_postgres() {
        return; // There is no file of the server's own.
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    std::fs::remove_file(folder.path().join("keepward.db")).unwrap();
    let said = refusal(folder.path(), &[]);
    assert!(said.contains("master key") && said.contains("migrate"), "{said}");
    std::fs::remove_file(folder.path().join("keepward.db")).unwrap();
    assert!(command(folder.path()).arg("migrate").status().unwrap().success());
    drop(OwnServer::start(folder.path(), &[]));
}

/// What else the environment holds need not be text, and is nobody's business.
#[test]
fn variables_of_others_are_not_looked_at() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"hunter2\xff");
    let run = |name: &str| command(folder.path()).env(name, odd).arg("migrate").output().unwrap();
    assert!(run("DB_PASSWORD").status.success() || is_postgres());
    let ours = run("KEEPWARD_LOG");
    let said = String::from_utf8_lossy(&ours.stderr).into_owned();
    assert!(!ours.status.success() && said.contains("KEEPWARD_LOG") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_corrupt_database_is_refused() {
    if is_postgres() {
        return; // There is no file of the server's own.
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    let file = folder.path().join("keepward.db");
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::write(&file, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    let said = refusal(folder.path(), &[]);
    assert!(said.contains("database"), "{said}");
}

/// What makes a database another program's, step by step: one that uses the same library has a table of that name, too.
pub const OF_ANOTHER_PROGRAM: [&str; 4] = [
    "CREATE TABLE customers (id INTEGER)",
    "CREATE TABLE seaql_migrations (version TEXT PRIMARY KEY, applied_at BIGINT)",
    "INSERT INTO seaql_migrations VALUES ('m20220101_000001_create_table', 0)",
    "CREATE TABLE meta (name TEXT)",
];

#[tokio::test]
async fn the_file_of_another_program_is_refused_and_left_as_it_is() {
    if is_postgres() {
        return; // postgres.rs has its databases.
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    let file = folder.path().join("keepward.db");
    std::fs::remove_file(&file).unwrap();
    let run = async |statement: &str| {
        let database = sea_orm::Database::connect(format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
        database.execute_unprepared(statement).await.unwrap();
        database.close().await.unwrap();
    };
    let refused = |bytes: &dyn Fn() -> Vec<u8>| {
        let before = bytes();
        let said = refusal(folder.path(), &[]);
        assert!(said.contains("another program") && said.contains("keepward.db"), "{said}");
        let migrated = command(folder.path()).arg("migrate").output().unwrap();
        assert!(!migrated.status.success() && String::from_utf8_lossy(&migrated.stderr).contains("another program"));
        assert!(bytes() == before, "it was changed");
    };
    for statement in OF_ANOTHER_PROGRAM {
        run(statement).await;
        refused(&|| std::fs::read(&file).unwrap());
    }
    // One that crashed, with the tables in its log only.
    let other = folder.path().join("crashed.db");
    let database = sea_orm::Database::connect(format!("sqlite://{}?mode=rwc", other.display())).await.unwrap();
    database.execute_unprepared("PRAGMA journal_mode = WAL").await.unwrap();
    database.execute_unprepared("CREATE TABLE customers (id INTEGER)").await.unwrap();
    let log = file.with_extension("db-wal");
    std::fs::copy(&other, &file).unwrap();
    std::fs::copy(other.with_extension("db-wal"), &log).unwrap();
    refused(&|| [std::fs::read(&file).unwrap(), std::fs::read(&log).unwrap()].concat());
    database.close().await.unwrap();
}

/// Tests run as root, for whom modes are no obstacle: a read-only mount is.
#[tokio::test]
async fn a_read_only_data_folder_is_refused() {
    if is_postgres() {
        return; // The data folder holds no database.
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::tmpfs(folder.path(), "ro,size=1m") else { return };
    let said = OwnServer::try_start(folder.path(), &[]).map(drop).unwrap_err();
    assert!(said.contains("data folder") && said.contains("can't be written"), "{said}");
}

/// A disk that was remounted, as systems do after an error of theirs: its data is there, and nobody may write.
#[tokio::test]
async fn a_database_on_a_read_only_file_system_is_refused() {
    if is_postgres() {
        return; // postgres.rs has one that is read-only.
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(folder.path(), "size=16m") else { return };
    let data = folder.path().join("data");
    assert!(OwnServer::start(&data, &[]).stop().success());
    mount.change("ro");
    let said = refusal(&data, &[]);
    assert!(said.contains("data folder") && said.contains("can't be written"), "{said}");
    let verified = command(&data).args(["audit", "verify"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&verified.stderr).contains("panicked"));
    mount.change("rw");
    drop(OwnServer::start(&data, &[]));
}

#[tokio::test]
async fn signup_modes() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_SIGNUP", "first")]);
    let first = Organisation::on(&server.url).await;
    let second = first.client("x").auth().signup("b@example.com", keepward_tests::PASSWORD).await.unwrap_err();
    assert!(second.is_forbidden(), "{second:?}");
    assert!(server.stop().success());
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_SIGNUP", "closed")]);
    let closed =
        keepward_tests::client(&server.url, "x").auth().signup("c@example.com", keepward_tests::PASSWORD).await;
    assert!(closed.unwrap_err().is_forbidden());
}

#[tokio::test]
async fn a_graceful_stop_answers_what_is_in_flight_and_leaves_signed_heads() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let writers: Vec<_> = (0..16)
        .map(|n| {
            let client = organisation.owner.clone();
            tokio::spawn(async move { client.secrets().put(vault, format!("p{n}").as_str(), "v").await })
        })
        .collect();
    tokio::task::yield_now().await;
    let stopped = tokio::task::spawn_blocking(move || server.stop());
    let mut acknowledged = 0;
    for writer in writers {
        // Either it was answered, or its connection was never taken.
        match writer.await.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(keepward::Error::Connection { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(stopped.await.unwrap().success());
    assert!(folder.path().join("audit-heads.json").exists());
    let server = OwnServer::start(folder.path(), &[]);
    let client = keepward_tests::client(&server.url, &organisation.owner_token);
    assert!(client.secrets().list(vault).await.unwrap().secrets.len() >= acknowledged);
}

#[test]
fn help_explains() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path()).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["serve", "migrate", "user", "operator", "audit", "KEEPWARD_LISTEN", "127.0.0.1:8443"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// What was made with wider modes, by hand or by an older tool, is closed; a link to the key is followed.
#[tokio::test]
async fn wide_modes_are_tightened() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert!(OwnServer::start(&data, &[]).stop().success());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let database = data.join("keepward.db");
    std::fs::set_permissions(&data, Permissions::from_mode(0o775)).unwrap();
    if !is_postgres() {
        std::fs::set_permissions(&database, Permissions::from_mode(0o664)).unwrap();
    }
    let mounted = folder.path().join("mounted");
    std::fs::rename(data.join("master.key"), &mounted).unwrap();
    std::fs::set_permissions(&mounted, Permissions::from_mode(0o440)).unwrap();
    std::os::unix::fs::symlink(&mounted, data.join("master.key")).unwrap();
    let server = OwnServer::start(&data, &[]);
    assert!(server.log().contains("tightened"), "{}", server.log());
    assert_eq!(mode(&data), 0o700);
    assert!(is_postgres() || mode(&database) == 0o600);
    // The heads of a stop replace a link, and don't follow it.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "mine").unwrap();
    std::fs::remove_file(data.join("audit-heads.json")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, data.join("audit-heads.json")).unwrap();
    assert!(server.stop().success());
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "mine");
    assert!(std::fs::symlink_metadata(data.join("audit-heads.json")).unwrap().is_file());
}
