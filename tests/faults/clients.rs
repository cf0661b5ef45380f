//! Clients that hang up at any moment, and many more of them than a server can serve.

use keepward_tests::{Organisation, OwnServer, RawConnection};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn put(path: &str, token: &str) -> String {
    let body = r#"{"value":"v"}"#;
    format!(
        "PUT {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Requests that are sent whole before their client hangs up.
const WHOLE: i32 = 20;

/// At every byte of a request: nothing is written of one that did not come whole, and nothing of it stays behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_at_any_byte_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let before = open_files(server.pid());
    let request = put(&format!("/v1/vaults/{vault}/secrets/part"), &organisation.owner_token);
    let url = server.url.clone();
    let sent = tokio::task::spawn_blocking(move || {
        // More often than there are places for requests in work.
        assert!(request.len() > 512);
        for end in 0..request.len() {
            RawConnection::open(&url).write(&request.as_bytes()[..end]);
        }
        // Whole, but nobody waits for the answer: served or not, as it comes.
        for _ in 0..WHOLE {
            RawConnection::open(&url).write(request.as_bytes());
        }
    });
    sent.await.unwrap();
    // Nobody's place is held by somebody who went away.
    organisation.owner.secrets().put(vault, "after", "v").await.unwrap();
    let bound = Instant::now() + Duration::from_secs(30);
    while open_files(server.pid()) > before + 8 {
        assert!(Instant::now() < bound, "{} files were open, {} are", before, open_files(server.pid()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listed = organisation.owner.secrets().list(vault).await.unwrap().secrets;
    let part = listed.iter().find(|secret| secret.path.as_str() == "part");
    assert!(part.is_none_or(|part| part.version <= WHOLE), "{part:?}: a part of a request was taken for one");
}

/// Sends one request after the other on one connection; what they were answered, and how many of those that have to say
/// when to come again did.
async fn send(address: String, requests: Vec<String>) -> Vec<(u16, bool)> {
    let mut answers = Vec::new();
    // The system itself turns connections away when more wait than it lets wait: they are not answered at all.
    let Ok(mut stream) = TcpStream::connect(address).await else { return answers };
    let mut buffer = Vec::new();
    for request in requests {
        if stream.write_all(request.as_bytes()).await.is_err() {
            return answers;
        }
        buffer.clear();
        loop {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return answers;
            }
            let text = String::from_utf8_lossy(&buffer).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                answers.push((head[9..12].parse().unwrap(), head.contains("\r\nretry-after: ")));
                break;
            }
        }
    }
    answers
}

/// A burst from many connections at once; how many answers of each status there were.
async fn burst(organisation: &Organisation, vault: keepward::VaultId, connections: usize) -> BTreeMap<u16, usize> {
    let address = organisation.http.url.replace("http://", "");
    let tasks: Vec<_> = (0..connections)
        .map(|n| {
            let path = |m: usize| format!("/v1/vaults/{vault}/secrets/burst/{n}/{m}");
            let requests = (0..2).map(|m| put(&path(m), &organisation.owner_token)).collect();
            tokio::spawn(send(address.clone(), requests))
        })
        .collect();
    let mut statuses = BTreeMap::new();
    for task in tasks {
        for (status, says_when) in task.await.unwrap() {
            assert!(says_when || !matches!(status, 429 | 503), "{status} without Retry-After");
            *statuses.entry(status).or_default() += 1;
        }
    }
    statuses
}

/// Twenty times as many requests as may be in work (512), half of them at once: some are served, the others told to come
/// again, and when it is over the server is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_beyond_the_capacity_is_told_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let before = open_files(server.pid());
    let statuses = burst(&organisation, vault, 20 * 512 / 2).await;
    let (served, busy) = (statuses.get(&200).or(statuses.get(&201)).copied().unwrap_or(0), statuses.get(&503).copied());
    assert!(served >= 512 && busy.is_some_and(|busy| busy > 0), "{statuses:?}");
    assert!(statuses.keys().all(|status| matches!(status, 200 | 201 | 503)), "{statuses:?}");
    // At once: nothing of the burst waits any more.
    let (after, body) = (format!("/v1/vaults/{vault}/secrets/after"), serde_json::json!({"value": "v"}));
    let after = organisation.http.send("PUT", &after, Some(&organisation.owner_token), Some(&body)).await;
    assert_eq!(after.status, 201);
    let listed = organisation.owner.secrets().list(vault).await.unwrap().secrets.len();
    assert_eq!(listed, served + 1, "who was told that it is written, and nobody else");
    let bound = Instant::now() + Duration::from_secs(40);
    while open_files(server.pid()) > before + 8 {
        assert!(Instant::now() < bound, "{} files were open, {} are", before, open_files(server.pid()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_beyond_the_rate_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_RATE_LIMIT", "50/s,100")]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let statuses = burst(&organisation, vault, 500).await;
    assert!(statuses.get(&429).is_some_and(|limited| *limited >= 500), "{statuses:?}");
    // Who waits as long as they were told is served.
    let listed = organisation.owner.secrets().list(vault).await.unwrap().secrets.len();
    assert_eq!(listed, statuses.get(&200).or(statuses.get(&201)).copied().unwrap_or(0));
}
