//! TLS: our own front, and the way to the database.

use crate::faults::postgres::start;
use futures_util::future::join_all;
use keepward::Client;
use keepward_tests::{Cluster, Durability, Organisation, OwnServer, PASSWORD, is_postgres};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use std::time::{Duration, Instant};

/// Our own front: certificate and key from files, and an SDK that trusts the authority it was given, and no other.
#[tokio::test]
async fn tls_by_certificate_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let settings = [("KEEPWARD_TLS_CERT", certificate.to_str().unwrap()), ("KEEPWARD_TLS_KEY", key.to_str().unwrap())];
    let server = OwnServer::start(&folder.path().join("data"), &settings);
    let url = server.url.replace("127.0.0.1", "localhost");
    let trusting = Client::builder().base_url(&url).root_certificate(made.cert.pem()).build().unwrap();
    trusting.auth().signup("ada@example.com", PASSWORD).await.unwrap();
    let other = Client::builder().base_url(&url).max_retries(0).build().unwrap();
    assert!(matches!(other.health().get().await, Err(keepward::Error::Connection { .. })));
    std::fs::write(&key, "nonsense").unwrap();
    assert!(OwnServer::try_start(&folder.path().join("data2"), &settings).is_err_and(|said| said.contains("TLS")));
}

/// SIGHUP reads certificate and key again; a pair that can't be used is logged, and the old one stays. Other signals that end
/// a process which knows nothing of them do nothing.
#[tokio::test]
async fn certificates_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let make = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (first, second) = (make(), make());
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let put = |chain: &str, private: &str| {
        std::fs::write(&certificate, chain).unwrap();
        std::fs::write(&key, private).unwrap();
    };
    put(&first.cert.pem(), &first.signing_key.serialize_pem());
    let settings = [("KEEPWARD_TLS_CERT", certificate.to_str().unwrap()), ("KEEPWARD_TLS_KEY", key.to_str().unwrap())];
    let server = OwnServer::start(&folder.path().join("data"), &settings);
    let url = server.url.replace("127.0.0.1", "localhost");
    let is_trusted = async |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let client = Client::builder().base_url(&url).root_certificate(made.cert.pem()).max_retries(0).build().unwrap();
        client.health().get().await.is_ok()
    };
    let signal = |name: &str| {
        let pid = server.pid().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    let logged = async |text: &str, times: usize| {
        let bound = Instant::now() + Duration::from_secs(20);
        while server.log().matches(text).count() < times {
            assert!(Instant::now() < bound, "{}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(is_trusted(&first).await && !is_trusted(&second).await);
    for name in ["-QUIT", "-USR1", "-USR2"] {
        signal(name);
    }
    // The key of another certificate.
    put(&second.cert.pem(), &first.signing_key.serialize_pem());
    signal("-HUP");
    logged("the old ones stay", 1).await;
    assert!(is_trusted(&first).await && !is_trusted(&second).await);
    put(&second.cert.pem(), &second.signing_key.serialize_pem());
    signal("-HUP");
    logged("were read again", 1).await;
    assert!(!is_trusted(&first).await && is_trusted(&second).await);
    assert!(server.stop().success());
}

/// PostgreSQL by TLS: every connection that a server opens, to the authority and the name that its address says, and to no
/// other.
#[tokio::test]
async fn the_way_to_the_database_is_verified() {
    if !is_postgres() {
        return; // SQLite is a file.
    }
    let folder = tempfile::tempdir().unwrap();
    let make = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (ours, another) = (make(), make());
    let authority = |name: &str, certificate: &rcgen::Certificate| {
        let file = folder.path().join(name);
        std::fs::write(&file, certificate.pem()).unwrap();
        file.display().to_string()
    };
    let (trusted, wrong) = (authority("trusted.pem", &ours.cert), authority("wrong.pem", &another.cert));
    let mut cluster = Cluster::start(Durability::Full);
    let plain = cluster.create("app");
    cluster.require_tls(&ours.cert.pem(), &ours.signing_key.serialize_pem());
    cluster.stop("fast");
    cluster.restart();
    let by_name = plain.replace("127.0.0.1", "localhost");
    let data = folder.path().join("data");
    for (url, reason) in [
        (format!("{plain}?sslmode=disable"), "no encryption"),
        (format!("{by_name}?sslmode=verify-full&sslrootcert={wrong}"), "certificate"),
        (format!("{plain}?sslmode=verify-full&sslrootcert={trusted}"), "certificate"),
    ] {
        let said = start(&url, &data, &[]).map(drop).unwrap_err();
        assert!(said.contains(reason) && !said.contains("panicked"), "{url}: {said}");
    }
    // Each mode that encrypts, by a build that has more than one TLS provider.
    for mode in ["prefer", "require", "verify-ca"] {
        let modes = start(&format!("{plain}?sslmode={mode}&sslrootcert={trusted}"), &data, &[]);
        assert!(modes.map(|server| server.stop().success()).unwrap(), "{mode}");
    }
    let url = format!("{by_name}?sslmode=verify-full&sslrootcert={trusted}");
    let server = start(&url, &data, &[]).unwrap();
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
    assert_eq!(organisation.owner.secrets().get(vault, "a").await.unwrap().value.expose(), "v");
    // As many as it has.
    let lists = (0..64).map(|_| organisation.http.get("/v1/audit/events", &organisation.owner_token));
    assert!(join_all(lists).await.iter().all(|listed| listed.status == 200));
    let database = Database::connect(&url).await.unwrap();
    const ASK: &str =
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'keepward'";
    let connections = database.query_all_raw(Statement::from_string(DbBackend::Postgres, ASK)).await.unwrap();
    assert!((3..=14).contains(&connections.len()), "lookups, readers, writer, watch: {}", connections.len());
    assert!(connections.iter().all(|connection| connection.try_get("", "ssl").unwrap()));
}
