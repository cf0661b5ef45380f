//! What a writer of the database can't do: read a value, move one, or give a right. What they can do (deny service, put an
//! old state back) docs/security.md says.

use crate::faults::edit::{bytes, edit, id, open, stray_id};
use keepward::types::PolicyPermission::Read;
use keepward_tests::{Organisation, OwnServer, is_postgres};
use sea_orm::ConnectionTrait;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_row_that_was_moved_or_changed_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let (vault, other) = (organisation.vault().await, organisation.vault().await);
    let names = ["path", "vault", "version", "kind", "bit", "expiry", "count", "cmek", "swapped", "same"];
    let mut ids = Vec::new();
    for name in names {
        organisation.owner.secrets().put(vault, name, "old").await.unwrap();
        ids.push(id(organisation.owner.secrets().put(vault, name, "marker").await.unwrap().id));
    }
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    assert!(server.stop().success());
    let other_id = id(other);
    // The last byte of the ciphertext.
    let one_bit = match is_postgres() {
        true => "set_byte(sealed, length(sealed) - 1, get_byte(sealed, length(sealed) - 1) # 1)",
        false => {
            "CAST(substr(sealed, 1, length(sealed) - 1) || CASE WHEN substr(sealed, -1) = x'00' THEN x'01' ELSE x'00' END AS BLOB)"
        }
    };
    for sql in [
        format!("UPDATE secret_version SET path = 'path/moved' WHERE secret_id = {}", ids[0]),
        format!("UPDATE secret_version SET vault_id = {other_id} WHERE secret_id = {}", ids[1]),
        format!(
            "UPDATE secret_version SET is_newest = NULL WHERE secret_id = {0}; UPDATE secret_version SET version = 9 WHERE secret_id = {0} AND version = 2; UPDATE secret_version SET version = 2, is_newest = TRUE WHERE secret_id = {0} AND version = 1",
            ids[2]
        ),
        format!("UPDATE secret_version SET kind = 'private_key' WHERE secret_id = {}", ids[3]),
        format!("UPDATE secret_version SET sealed = {one_bit} WHERE secret_id = {}", ids[4]),
        format!("UPDATE secret_version SET expires_at = 9999999999999999 WHERE secret_id = {}", ids[5]),
        format!("UPDATE secret_version SET max_access_count = 1000 WHERE secret_id = {}", ids[6]),
        format!("UPDATE secret_version SET cmek_fingerprint = 'x' WHERE secret_id = {}", ids[7]),
        format!(
            "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE secret_id = {0} AND version = 2), wrapped_dek = (SELECT wrapped_dek FROM secret_version WHERE secret_id = {0} AND version = 2) WHERE secret_id = {1}",
            ids[9], ids[8]
        ),
    ] {
        edit(folder.path(), &sql).await;
    }
    let server = OwnServer::start(folder.path(), &[]);
    let http = keepward_tests::Http::new(&server.url);
    for (vault, path) in [
        (vault, "path/moved"),
        (other, "vault"),
        (vault, "version"),
        (vault, "kind"),
        (vault, "bit"),
        (vault, "expiry"),
        (vault, "count"),
        (vault, "cmek"),
        (vault, "swapped"),
    ] {
        let answer = http.get(&format!("/v1/vaults/{vault}/secrets/{path}"), key.expose()).await;
        assert!(answer.is_problem(500) && !answer.text.contains("marker"), "{path}: {answer:?}");
    }
    let same = http.get(&format!("/v1/vaults/{vault}/secrets/same"), key.expose()).await;
    assert_eq!(same.json()["value"], "marker");
}

#[tokio::test]
async fn authority_written_by_hand_gives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "a/b", "v").await.unwrap();
    let (granted, granted_key) = organisation.agent().await;
    let (forged, forged_key) = organisation.agent().await;
    let (edited, edited_key) = organisation.agent().await;
    organisation.grant(vault, "a/**", granted, &[Read]).await;
    let widened = organisation.grant(vault, "z/**", edited, &[Read]).await;
    let owner_key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    let stranger = Organisation::on(&server.url).await;
    let stranger_key = stranger.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    let (victim, victim_key) = organisation.agent().await;
    assert!(server.stop().success());
    let path = folder.path();
    // A policy copied for another agent, one widened, a human moved to another organisation, a key hash put on another row.
    edit(path, &format!("INSERT INTO policy SELECT {}, org_id, vault_id, pattern, literal_prefix, principal_type, {}, permissions, conditions, expires_at, created_by, created_by_type, created_at, row_mac FROM policy WHERE principal_id = {}", stray_id(), id(forged), id(granted))).await;
    edit(path, &format!("UPDATE policy SET pattern = '**', literal_prefix = '' WHERE id = {}", id(widened.id))).await;
    edit(path, &format!("UPDATE users SET org_id = {} WHERE id = {}", id(organisation.id), id(stranger.owner_id)))
        .await;
    edit(path, &format!("UPDATE agent SET key_hash = NULL WHERE id = {0}", id(granted))).await;
    edit(path, &format!("UPDATE agent SET intents_api_enabled = TRUE WHERE id = {0}", id(victim))).await;
    let server = OwnServer::start(path, &[]);
    let http = keepward_tests::Http::new(&server.url);
    let read = async |key: &keepward::SecretText| {
        http.get(&format!("/v1/vaults/{vault}/secrets/a/b"), key.expose()).await.status
    };
    assert_eq!(read(&forged_key).await, 403, "a copied policy");
    assert_eq!(read(&edited_key).await, 403, "a widened policy");
    assert_eq!(read(&stranger_key).await, 401, "a moved human");
    assert_eq!(read(&granted_key).await, 401, "a removed key");
    assert_eq!(read(&victim_key).await, 401, "an edited agent");
    assert_eq!(read(&owner_key).await, 200);
    assert!(server.log().contains("a row's MAC is wrong"));
}

#[tokio::test]
async fn a_role_written_by_hand_ends_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let shared = keepward_tests::SharedServer { url: server.url.clone(), data_dir: folder.path().to_owned() };
    let member = organisation.member(&shared, "member").await;
    assert!(server.stop().success());
    edit(folder.path(), "UPDATE users SET role = 'owner' WHERE role = 'member'").await;
    let server = OwnServer::start(folder.path(), &[]);
    let http = keepward_tests::Http::new(&server.url);
    assert!(http.get("/v1/auth/me", &member).await.is_problem(401));
}

/// A key pair of one's own, written beside the server's, signs nothing that counts: the server does not even start.
#[tokio::test]
async fn a_signing_key_written_by_hand_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    edit(
        folder.path(),
        &format!(
            "INSERT INTO key_record SELECT {}, purpose, 0, record, {}, created_at, retired_at FROM key_record WHERE purpose = 'sign:token'",
            stray_id(),
            bytes(&"00112233445566778899aabbccddeeff".repeat(2))
        ),
    )
    .await;
    let said = OwnServer::try_start(folder.path(), &[]).map(drop).unwrap_err();
    assert!(said.contains("the database was edited"), "{said}");
}

/// Keys are made for a new database only: over organisations that are there nothing would open.
#[tokio::test]
async fn a_key_that_was_deleted_is_named_and_not_made_anew() {
    for (sql, named) in [
        ("DELETE FROM key_record WHERE purpose = 'sub:row'", "sub:row"),
        ("DELETE FROM key_record WHERE purpose = 'sign:token'", "sign:token"),
        ("DELETE FROM key_record WHERE purpose = 'kek:system'", "kek:system"),
        ("DELETE FROM meta WHERE name = 'master-key-check'", "master-key-check"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = OwnServer::start(folder.path(), &[]);
        Organisation::on(&server.url).await;
        assert!(server.stop().success());
        edit(folder.path(), sql).await;
        for _ in 0..2 {
            let said = OwnServer::try_start(folder.path(), &[]).map(drop).unwrap_err();
            assert!(said.contains(named) && said.contains("backup"), "{sql}: {said}");
        }
        let refused = keepward_tests::command(folder.path()).arg("migrate").output().unwrap();
        assert!(!refused.status.success(), "{sql}");
    }
}

/// What makes a statement do nothing: on SQLite a trigger, on PostgreSQL one, or a rule.
fn ignoring(table: &str) -> Vec<String> {
    if !is_postgres() {
        return vec![format!("CREATE TRIGGER shadow BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END")];
    }
    vec![
        format!(
            "CREATE FUNCTION nothing() RETURNS trigger AS $$ BEGIN RETURN NULL; END $$ LANGUAGE plpgsql;
            CREATE TRIGGER shadow BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION nothing()"
        ),
        format!("CREATE RULE shadow AS ON INSERT TO {table} DO INSTEAD NOTHING"),
    ]
}

#[tokio::test]
async fn triggers_on_our_tables_are_refused_by_name() {
    for table in ["audit_event", "policy"] {
        for sql in ignoring(table) {
            let folder = tempfile::tempdir().unwrap();
            let server = OwnServer::start(folder.path(), &[]);
            assert!(!server.log().contains("not Keepward's"), "it knows its own tables");
            assert!(server.stop().success());
            let database = open(folder.path()).await;
            database.execute_unprepared(&sql).await.unwrap();
            database.close().await.unwrap();
            let said = OwnServer::try_start(folder.path(), &[]).map(drop).unwrap_err();
            assert!(said.contains("`shadow`") && said.contains(table), "{said}");
        }
    }
}

#[tokio::test]
async fn a_table_of_another_program_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    assert!(OwnServer::start(folder.path(), &[]).stop().success());
    let database = open(folder.path()).await;
    database.execute_unprepared("CREATE TABLE somebody_elses (id integer)").await.unwrap();
    database.close().await.unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    assert!(server.log().contains("not Keepward's") && server.log().contains("somebody_elses"), "{}", server.log());
}

/// Put there while the server runs, it makes an insert write nothing: what has no event has no answer.
#[tokio::test]
async fn an_event_that_a_trigger_swallows_is_no_event() {
    for sql in ignoring("audit_event") {
        let folder = tempfile::tempdir().unwrap();
        let server = OwnServer::start(folder.path(), &[]);
        let organisation = Organisation::on(&server.url).await;
        let vault = organisation.vault().await;
        organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
        organisation.owner.secrets().get(vault, "a").await.unwrap();
        let database = open(folder.path()).await;
        database.execute_unprepared(&sql).await.unwrap();
        let path = format!("/v1/vaults/{vault}/secrets/a");
        let token = &organisation.owner_token;
        let read = organisation.http.get(&path, token).await;
        assert!(read.status >= 500 && !read.text.contains("\"v\""), "{sql}: {read:?}");
        let body = serde_json::json!({"value": "w"});
        let write = organisation.http.send("PUT", &path, Some(token), Some(&body)).await;
        assert!(write.status >= 500, "{sql}: {write:?}");
        let drop =
            if sql.contains("RULE") { "DROP RULE shadow ON audit_event" } else { "DROP TRIGGER shadow ON audit_event" };
        let drop = if is_postgres() { drop } else { "DROP TRIGGER shadow" };
        database.execute_unprepared(drop).await.unwrap();
        database.close().await.unwrap();
        // Nothing was half done, and the server goes on.
        let bound = Instant::now() + Duration::from_secs(10);
        let read = loop {
            let read = organisation.http.get(&path, token).await;
            if read.status == 200 {
                break read;
            }
            assert!(Instant::now() < bound, "{read:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!((read.json()["value"].as_str(), read.json()["version"].as_i64()), (Some("v"), Some(1)));
        assert!(server.stop().success());
        assert!(keepward_tests::command(folder.path()).args(["audit", "verify"]).status().unwrap().success());
    }
}

/// A damaged page is an error where it is met, and health says so from then on.
#[tokio::test]
async fn damaged_pages_degrade_health_and_name_the_file() {
    if is_postgres() {
        return; // PostgreSQL looks after its own pages.
    }
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let value = "x".repeat(200_000);
    organisation.owner.secrets().put(vault, "a", value.as_str()).await.unwrap();
    assert!(server.stop().success());
    let file = folder.path().join("keepward.db");
    let database = open(folder.path()).await;
    let ask = sea_orm::Statement::from_string(
        sea_orm::DbBackend::Sqlite,
        "SELECT rootpage FROM sqlite_schema WHERE name = 'secret_version'",
    );
    let root: i64 = database.query_one_raw(ask).await.unwrap().unwrap().try_get_by("rootpage").unwrap();
    database.close().await.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let start = (usize::try_from(root).unwrap() - 1) * page;
    bytes[start..start + page].fill(0xA5);
    std::fs::write(&file, bytes).unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let http = keepward_tests::Http::new(&server.url);
    let read = http.get(&format!("/v1/vaults/{vault}/secrets/a"), &organisation.owner_token).await;
    assert!(read.status >= 500, "{read:?}");
    assert_eq!(http.send("GET", "/v1/health", None, None).await.json()["status"], "degraded");
    assert!(server.log().contains("damaged") && server.log().contains(&file.display().to_string()), "{}", server.log());
}

/// A hand that put an older version back, or wrote a number past all bounds, makes a PUT a conflict, and nothing worse.
#[tokio::test]
async fn a_version_put_back_by_hand_is_a_conflict() {
    for sql in [
        "UPDATE secret_version SET is_newest = NULL WHERE version = 2",
        "UPDATE secret_version SET version = 2147483647 WHERE version = 2",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = OwnServer::start(folder.path(), &[]);
        let organisation = Organisation::on(&server.url).await;
        let vault = organisation.vault().await;
        for value in ["one", "two"] {
            organisation.owner.secrets().put(vault, "a", value).await.unwrap();
        }
        edit(folder.path(), sql).await;
        if sql.contains("NULL") {
            edit(folder.path(), "UPDATE secret_version SET is_newest = TRUE WHERE version = 1").await;
        }
        let body = serde_json::json!({"value": "three"});
        let path = format!("/v1/vaults/{vault}/secrets/a");
        let put = organisation.http.send("PUT", &path, Some(&organisation.owner_token), Some(&body)).await;
        assert!(put.is_problem(409), "{sql}: {put:?}");
        // Others go on.
        organisation.owner.secrets().put(vault, "b", "v").await.unwrap();
    }
}
