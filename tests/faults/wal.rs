//! A write-ahead log that was torn: SQLite's file beside the database after a crash of the machine.

use crate::faults::acknowledged::{self, Writers};
use keepward_tests::{Organisation, OwnServer, builder, command, is_postgres};
use std::io::Write;

/// What a crash leaves behind the last commit (a frame that was half written, garbage) is passed over; a log that lost its
/// end gives a database as it once was, whole; and a head that was kept elsewhere tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_log_gives_what_was_whole() {
    if is_postgres() {
        return; // PostgreSQL's log is its own; postgres.rs kills it.
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = OwnServer::start(&data, &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    let writers = Writers::start(&[&server.url], &key, vault, folder.path());
    acknowledged::wait_for_more(folder.path(), 0, 100, || server.log()).await;
    server.kill();
    writers.stop().await;

    let log = data.join("keepward.db-wal");
    let whole = std::fs::read(&log).unwrap();
    let database = std::fs::read(data.join("keepward.db")).unwrap();
    let kept = folder.path().join("head.json");
    let keep_head = || {
        let head = command(&data).args(["audit", "head"]).output().unwrap();
        assert!(head.status.success());
        std::fs::write(&kept, head.stdout).unwrap();
    };
    keep_head();
    let verify = |arguments: &[&str]| {
        let output = command(&data).args(["audit", "verify"]).args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Behind the last commit: the first half of its last frame again, then garbage.
    let page = usize::from(u16::from_be_bytes([database[16], database[17]]));
    let frame = whole[whole.len() - 24 - page..].to_vec();
    assert_eq!((whole.len() - 32) % frame.len(), 0, "a log is its head and whole frames");
    for tail in [&frame[..1000], &[0x5a; 5000][..]] {
        std::fs::write(data.join("keepward.db"), &database).unwrap();
        std::fs::write(&log, &whole).unwrap();
        std::fs::File::options().append(true).open(&log).unwrap().write_all(tail).unwrap();
        let _ = std::fs::remove_file(data.join("keepward.db-shm"));
        let server = OwnServer::start(&data, &[]);
        let client = builder(&server.url).token(key.clone()).build().unwrap();
        acknowledged::judge(&client, vault, folder.path()).await;
        server.kill();
        let (is_whole, said) = verify(&["--head", kept.to_str().unwrap()]);
        assert!(is_whole, "{said}");
    }
    // Without its end: whatever the length, what is there is whole.
    for part in [1, 3, 5, 7] {
        std::fs::write(data.join("keepward.db"), &database).unwrap();
        std::fs::write(&log, &whole[..whole.len() * part / 9 + part]).unwrap();
        let _ = std::fs::remove_file(data.join("keepward.db-shm"));
        let server = OwnServer::start(&data, &[]);
        server.kill();
        let (is_whole, said) = verify(&[]);
        assert!(is_whole, "{said}");
    }
    // Without any of it, the kept head is missed.
    let database_before = std::fs::read(data.join("keepward.db")).unwrap();
    let server = OwnServer::start(&data, &[]);
    let client = builder(&server.url).token(key).build().unwrap();
    client.secrets().put(vault, "last", "v").await.unwrap();
    server.kill();
    keep_head();
    std::fs::write(data.join("keepward.db"), &database_before).unwrap();
    std::fs::write(&log, []).unwrap();
    let _ = std::fs::remove_file(data.join("keepward.db-shm"));
    let (is_whole, said) = verify(&["--head", kept.to_str().unwrap()]);
    assert!(!is_whole && said.contains("kept head"), "{said}");
}
