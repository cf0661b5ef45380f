//! The server of [`Mirror`] for tests in other languages: `mirror URL` prints its addresses, and the
//! certificate of the one by TLS, as one line of JSON; when
//! standard input ends, it fails if it found anything, and says what.

use keepward_tests::Mirror;

#[tokio::main]
async fn main() {
    let mirror = Mirror::start(std::env::args().nth(1).as_deref()).await;
    let mut said = mirror.urls().clone();
    said.insert("certificate", mirror.certificate().to_owned());
    println!("{}", serde_json::to_string(&said).unwrap());
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    ended.await.unwrap().unwrap();
    let (mut findings, unseen) = (mirror.findings(), mirror.unseen());
    if !unseen.is_empty() {
        findings.push(format!("never called: {unseen:?}"));
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
