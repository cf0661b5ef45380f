//! The server of [`Mirror`] for tests in other languages: `mirror URL` prints its addresses as one line of JSON; when
//! standard input ends, it prints what it found, and fails if that is anything.

use keepward_tests::Mirror;

#[tokio::main]
async fn main() {
    let mirror = Mirror::start(std::env::args().nth(1).as_deref()).await;
    println!("{}", serde_json::to_string(mirror.urls()).unwrap());
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    ended.await.unwrap().unwrap();
    let findings = mirror.findings();
    for finding in &findings {
        eprintln!("{finding}");
    }
    let unseen: Vec<_> = mirror.unseen();
    assert!(findings.is_empty() && unseen.is_empty(), "never called: {unseen:?}");
}
