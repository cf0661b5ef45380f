//! `audit verify` finds what was edited, removed or reordered, and names it.

use crate::faults::edit::{id, open, stray_id};
use keepward_tests::{Organisation, OwnServer, command, is_postgres};
use sea_orm::ConnectionTrait;
use std::path::Path;

fn verify(data_dir: &Path, head: Option<&Path>) -> (bool, String) {
    let mut command = command(data_dir);
    command.args(["audit", "verify"]);
    if let Some(head) = head {
        command.arg("--head").arg(head);
    }
    let output = command.output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

/// A stopped server with one organisation of 12 events; the organisation's id as it stands in a statement.
async fn trail(folder: &Path) -> String {
    let server = OwnServer::start(folder, &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    for _ in 0..10 {
        organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    }
    assert!(server.stop().success());
    id(organisation.id)
}

#[tokio::test]
async fn a_whole_trail_verifies_beside_a_running_server_and_says_that_its_end_is_unproven() {
    let folder = tempfile::tempdir().unwrap();
    trail(folder.path()).await;
    let _server = OwnServer::start(folder.path(), &[]);
    let (good, said) = verify(folder.path(), None);
    assert!(good && said.contains("12 events, good") && said.contains("unproven"), "{said}");
    let heads = command(folder.path()).args(["audit", "head"]).output().unwrap();
    let kept = folder.path().join("kept.json");
    std::fs::write(&kept, &heads.stdout).unwrap();
    let (good, said) = verify(folder.path(), Some(&kept));
    assert!(good && !said.contains("unproven"), "{said}");
}

#[tokio::test]
async fn what_is_broken_is_named() {
    for (sql, sequence, what) in [
        ("UPDATE audit_event SET outcome = 'denied' WHERE org_id = ORG AND sequence = 5", 5, "MAC"),
        ("UPDATE audit_event SET action = 'secret.read' WHERE org_id = ORG AND sequence = 6", 6, "hash"),
        ("UPDATE audit_event SET details = '{}' WHERE org_id = ORG AND sequence = 7", 7, "MAC"),
        ("UPDATE audit_event SET created_at = created_at + 1 WHERE org_id = ORG AND sequence = 8", 8, "hash"),
        ("DELETE FROM audit_event WHERE org_id = ORG AND sequence = 4", 5, "removed"),
        ("DELETE FROM audit_event WHERE org_id = ORG AND sequence = 1", 2, "removed"),
        ("DELETE FROM audit_event WHERE org_id = ORG AND sequence = 12", 12, "end"),
        ("DELETE FROM audit_head WHERE org_id = ORG", 13, "end"),
        (
            "INSERT INTO audit_event SELECT org_id, 0, STRAY, action, actor_type, actor_id, resource_type, resource_id, outcome, details, ip_address, created_at, prev_event_id, integrity_hash, mac FROM audit_event WHERE org_id = ORG AND sequence = 1",
            0,
            "added before the first",
        ),
        // The least number that there is.
        (
            "INSERT INTO audit_event SELECT org_id, (-9223372036854775807 - 1), STRAY, action, actor_type, actor_id, resource_type, resource_id, outcome, details, ip_address, created_at, prev_event_id, integrity_hash, mac FROM audit_event WHERE org_id = ORG AND sequence = 1",
            i64::MIN,
            "added before the first",
        ),
        // Each column of the head.
        ("UPDATE audit_head SET created_at = created_at + 1 WHERE org_id = ORG", 13, "head is not what"),
        ("UPDATE audit_head SET integrity_hash = mac WHERE org_id = ORG", 13, "head is not what"),
        ("UPDATE audit_head SET mac = integrity_hash WHERE org_id = ORG", 13, "head is not what"),
        ("UPDATE audit_head SET event_id = STRAY WHERE org_id = ORG", 13, "head is not what"),
        ("UPDATE audit_head SET sequence = 2 WHERE org_id = ORG", 13, "end"),
        (
            "UPDATE audit_event SET sequence = 100 WHERE org_id = ORG AND sequence = 3; UPDATE audit_event SET sequence = 3 WHERE org_id = ORG AND sequence = 4; UPDATE audit_event SET sequence = 4 WHERE org_id = ORG AND sequence = 100",
            3,
            "reordered",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let org = trail(folder.path()).await;
        let database = open(folder.path()).await;
        database.execute_unprepared(&sql.replace("ORG", &org).replace("STRAY", &stray_id())).await.unwrap();
        database.close().await.unwrap();
        let (good, said) = verify(folder.path(), None);
        assert!(!good && said.contains(&format!("broken at event {sequence}")) && said.contains(what), "{sql}: {said}");
    }
}

async fn edit_trail(folder: &Path, sql: &str) {
    let database = open(folder).await;
    database.execute_unprepared(sql).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test]
async fn every_break_is_named_for_a_person_and_for_a_machine() {
    let folder = tempfile::tempdir().unwrap();
    let org = trail(folder.path()).await;
    let sql = "UPDATE audit_event SET outcome = 'denied' WHERE org_id = ORG AND sequence IN (3, 9);
        DELETE FROM audit_event WHERE org_id = ORG AND sequence = 6";
    edit_trail(folder.path(), &sql.replace("ORG", &org)).await;
    let (good, said) = verify(folder.path(), None);
    assert!(!good, "{said}");
    for sequence in [3, 7, 9] {
        assert!(said.contains(&format!("broken at event {sequence}")), "{said}");
    }
    assert!(!said.contains("broken at event 8"), "what follows a break is judged by itself: {said}");
    let output = command(folder.path()).args(["audit", "verify", "--json"]).output().unwrap();
    assert!(!output.status.success());
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["whole"], false);
    let chains = said["chains"].as_array().unwrap();
    let broken: Vec<i64> = chains
        .iter()
        .flat_map(|chain| chain["breaks"].as_array().unwrap())
        .map(|fault| fault["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(broken, [3, 7, 9]);
}

/// An event before the first one is not shown as one of the chain.
#[tokio::test]
async fn the_api_lists_a_chain_from_its_first_place_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    organisation.vault().await;
    let before = organisation.owner.audit().events().await.unwrap().events.len();
    let sql = "INSERT INTO audit_event SELECT org_id, -5, STRAY, action, actor_type, actor_id, resource_type, resource_id, outcome, details, ip_address, created_at, prev_event_id, integrity_hash, mac FROM audit_event WHERE org_id = ORG AND sequence = 1";
    edit_trail(folder.path(), &sql.replace("ORG", &id(organisation.id)).replace("STRAY", &stray_id())).await;
    assert_eq!(organisation.owner.audit().events().await.unwrap().events.len(), before);
}

/// Signed, a head that was set back would vouch for a chain that was cut off.
#[tokio::test]
async fn a_head_that_is_not_the_newest_event_is_not_signed() {
    for sql in [
        "UPDATE audit_head SET created_at = created_at + 1 WHERE org_id = ORG",
        "UPDATE audit_head SET sequence = 2 WHERE org_id = ORG",
        "UPDATE audit_head SET sequence = 10, event_id = (SELECT id FROM audit_event WHERE org_id = ORG AND sequence = 10),
            integrity_hash = (SELECT integrity_hash FROM audit_event WHERE org_id = ORG AND sequence = 10),
            created_at = (SELECT created_at FROM audit_event WHERE org_id = ORG AND sequence = 10),
            mac = (SELECT mac FROM audit_event WHERE org_id = ORG AND sequence = 10) WHERE org_id = ORG",
        "DELETE FROM audit_head WHERE org_id = ORG",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = OwnServer::start(folder.path(), &[]);
        let organisation = Organisation::on(&server.url).await;
        let vault = organisation.vault().await;
        for _ in 0..10 {
            organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
        }
        assert!(server.stop().success());
        let kept = std::fs::read(folder.path().join("audit-heads.json")).unwrap();
        edit_trail(folder.path(), &sql.replace("ORG", &id(organisation.id))).await;
        let output = command(folder.path()).args(["audit", "head"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(&organisation.id.to_string()), "{sql}: {said}");
        // Nor at a stop, which leaves the file of the last good one.
        let server = OwnServer::start(folder.path(), &[]);
        assert!(server.stop().success());
        assert_eq!(std::fs::read(folder.path().join("audit-heads.json")).unwrap(), kept, "{sql}");
    }
}

/// Nothing is added to a chain whose head was edited, and the other organisations go on, in the same transactions, too.
#[tokio::test]
async fn a_broken_chain_stops_its_organisation_and_no_other() {
    only_its_organisation_stops("UPDATE audit_head SET created_at = 3786912000000000 WHERE org_id = ORG").await;
    if is_postgres() {
        return; // Its columns hold one type.
    }
    only_its_organisation_stops("UPDATE audit_head SET sequence = 'abc' WHERE org_id = ORG").await;
    only_its_organisation_stops("UPDATE audit_head SET integrity_hash = 7 WHERE org_id = ORG").await;
    only_its_organisation_stops("UPDATE audit_event SET id = x'aa' WHERE org_id = ORG AND sequence = 2").await;
    only_its_organisation_stops("UPDATE audit_event SET sequence = 'x' WHERE org_id = ORG AND sequence = 2").await;
}

async fn only_its_organisation_stops(sql: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let (broken, other) = (Organisation::on(&server.url).await, Organisation::on(&server.url).await);
    let (broken_vault, other_vault) = (broken.vault().await, other.vault().await);
    assert!(server.stop().success());
    edit_trail(folder.path(), &sql.replace("ORG", &id(broken.id))).await;
    let server = OwnServer::start(folder.path(), &[]);
    let id_of_broken = broken.id.to_string();
    let on = |organisation: &Organisation| keepward_tests::client(&server.url, &organisation.owner_token);
    let (broken, other) = (on(&broken), on(&other));
    let calls = (0..40).map(|n| {
        let (broken, other) = (&broken, &other);
        async move {
            let path = format!("p{n}");
            let refused = broken.secrets().put(broken_vault, path.as_str(), "v").await;
            let done = other.secrets().put(other_vault, path.as_str(), "v").await;
            assert!(refused.is_err_and(|error| error.status().is_some_and(|status| status >= 500)));
            assert_eq!(done.unwrap().version, 1);
        }
    });
    futures_util::future::join_all(calls).await;
    assert!(server.log().contains(&id_of_broken), "the log names the organisation");
}

/// Removing the tail together with the head leaves a chain that is whole in itself; a kept head tells.
#[tokio::test]
async fn a_tail_removed_with_its_head_is_found_by_a_kept_head_only() {
    let folder = tempfile::tempdir().unwrap();
    let org = trail(folder.path()).await;
    let heads = command(folder.path()).args(["audit", "head"]).output().unwrap();
    let kept = folder.path().join("kept.json");
    std::fs::write(&kept, &heads.stdout).unwrap();
    let database = open(folder.path()).await;
    let sql = "DELETE FROM audit_event WHERE org_id = ORG AND sequence > 10;
        UPDATE audit_head SET sequence = 10, event_id = (SELECT id FROM audit_event WHERE org_id = ORG AND sequence = 10),
        integrity_hash = (SELECT integrity_hash FROM audit_event WHERE org_id = ORG AND sequence = 10),
        created_at = (SELECT created_at FROM audit_event WHERE org_id = ORG AND sequence = 10),
        mac = (SELECT mac FROM audit_event WHERE org_id = ORG AND sequence = 10) WHERE org_id = ORG";
    database.execute_unprepared(&sql.replace("ORG", &org).replace("STRAY", &stray_id())).await.unwrap();
    database.close().await.unwrap();
    let (good, said) = verify(folder.path(), None);
    assert!(good && said.contains("unproven"), "{said}");
    let (good, said) = verify(folder.path(), Some(&kept));
    assert!(!good && said.contains("shorter than the kept head"), "{said}");
    // A head that somebody made up proves nothing.
    let forged = String::from_utf8(heads.stdout.clone()).unwrap().replace("\"sequence\": 12", "\"sequence\": 10");
    std::fs::write(&kept, forged).unwrap();
    let (good, said) = verify(folder.path(), Some(&kept));
    assert!(!good && said.contains("not signed by this server"), "{said}");
    // Nor does one of a server whose database was replaced, together with its keys, by an empty one.
    std::fs::write(&kept, &heads.stdout).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(fresh.path(), &[]).stop().success());
    let (good, said) = verify(fresh.path(), Some(&kept));
    assert!(!good && said.contains("not signed by this server"), "{said}");
}

#[test]
fn a_folder_without_a_database_is_no_whole_trail() {
    let folder = tempfile::tempdir().unwrap();
    let (good, said) = verify(&folder.path().join("nothing"), None);
    // Which of the two says so: no file, or a PostgreSQL without this database.
    let says = if is_postgres() { "does not exist" } else { "there is no database" };
    assert!(!good && said.contains(says), "{said}");
    assert!(is_postgres() || !folder.path().join("nothing").exists());
}

/// A server that goes on writing looks like no tampering.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trail_verifies_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let client = organisation.owner.clone();
            tokio::spawn(
                async move { while client.secrets().put(vault, format!("p{n}").as_str(), "v").await.is_ok() {} },
            )
        })
        .collect();
    for _ in 0..5 {
        let data = folder.path().to_owned();
        let (good, said) = tokio::task::spawn_blocking(move || verify(&data, None)).await.unwrap();
        assert!(good, "{said}");
    }
    drop(server);
    for writer in writers {
        writer.await.unwrap();
    }
}
