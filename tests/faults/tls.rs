use keepward::Client;
use keepward_tests::{OwnServer, PASSWORD};

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
