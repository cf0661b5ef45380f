//! Clients that hang up at any moment, and many more of them than a server can serve.

use futures_util::future::join_all;
use keepward_tests::{Http, Organisation, OwnServer, RawConnection};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Lets a process have as many connections as the largest burst has; many a system lets it have a thousand files.
fn allow_connections(pid: u32) {
    let mut raise = Command::new("prlimit");
    raise.args(["--pid", &pid.to_string(), "--nofile=16384:"]);
    assert!(raise.status().unwrap().success(), "16,384 open files are not allowed here (ulimit -Hn)");
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
    let [part, whole] =
        ["part", "whole"].map(|path| put(&format!("/v1/vaults/{vault}/secrets/{path}"), &organisation.owner_token));
    let url = server.url.clone();
    let sent = tokio::task::spawn_blocking(move || {
        for end in 0..part.len() {
            RawConnection::open(&url).write(&part.as_bytes()[..end]);
        }
        // Only behind the head does a request have a place: more often than there are places.
        let head = part.find("\r\n\r\n").unwrap() + 4;
        for end in (head..part.len()).cycle().take(600) {
            RawConnection::open(&url).write(&part.as_bytes()[..end]);
        }
        // Whole, but nobody waits for the answer: served or not, as it comes.
        for _ in 0..WHOLE {
            RawConnection::open(&url).write(whole.as_bytes());
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
    let version = |path: &str| listed.iter().find(|secret| secret.path == path).map_or(0, |secret| secret.version);
    assert_eq!(version("part"), 0, "a part of a request was taken for one");
    assert!(version("whole") <= WHOLE);
}

/// What nobody waits for is given up, if it only reads: counted as nginx counts it, in nobody's place, and charged to the
/// address, so that hanging up is no way around the limit of wrong keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_nobody_waits_for_is_given_up_and_charged() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("KEEPWARD_METRICS_LISTEN", "127.0.0.1:0"), ("KEEPWARD_RATE_LIMIT", "1/s,200")];
    let server = OwnServer::start(folder.path(), &settings);
    let organisation = Organisation::on(&server.url).await;
    let metrics = Http::new(&server.metrics_url().unwrap());
    // A well-formed key that is nobody's.
    let key = format!("ocv_{}", "A".repeat(43));
    let read = format!("GET /v1/agents/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
    let begun = Instant::now();
    while organisation.http.get("/v1/auth/jwks", "none").await.status != 429 {
        assert!(begun.elapsed() < Duration::from_secs(60), "who hangs up is never limited");
        let (url, read) = (server.url.clone(), read.clone());
        let hanging_up = tokio::task::spawn_blocking(move || {
            for _ in 0..100 {
                RawConnection::open(&url).write(read.as_bytes());
            }
        });
        hanging_up.await.unwrap();
    }
    let bound = Instant::now() + Duration::from_secs(30);
    let text = loop {
        let text = metrics.send("GET", "/metrics", None, None).await.text;
        if text.lines().any(|line| line == "keepward_http_requests_in_work 0") {
            break text;
        }
        assert!(Instant::now() < bound, "places are held: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let count = |status: &str| {
        let of_status = format!("status=\"{status}\"}} ");
        let lines = text.lines().filter(|line| line.starts_with("keepward_http_requests_total{"));
        lines.filter_map(|line| line.split_once(&of_status)?.1.parse::<u64>().ok()).sum::<u64>()
    };
    let (given_up, refused) = (count("499"), count("401"));
    assert!(given_up > 0, "none was given up: {text}");
    // A whole turn may have been under way while the last that was allowed was charged.
    let allowed = 200 + 100 + begun.elapsed().as_secs();
    assert!(given_up + refused <= allowed, "{given_up} given up and {refused} refused, of {allowed}");
}

/// Sends one request after the other on one connection; what they were answered, and how many of those that have to say
/// when to come again did.
async fn send(mut stream: TcpStream, requests: Vec<String>) -> Vec<(u16, bool)> {
    let (mut answers, mut buffer) = (Vec::new(), Vec::new());
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

/// A burst of so many requests from so many connections at once; how many answers of each status there were.
async fn burst(
    organisation: &Organisation,
    vault: keepward::VaultId,
    connections: usize,
    each: usize,
) -> BTreeMap<u16, usize> {
    let address = organisation.http.url.replace("http://", "");
    // They are connected first, some at a time: a system lets few wait for that, and tells the others nothing for long.
    let mut streams = Vec::with_capacity(connections);
    while streams.len() < connections {
        let some = (0..256.min(connections - streams.len())).map(|_| TcpStream::connect(&address));
        streams.extend(join_all(some).await.into_iter().map(|stream| stream.unwrap()));
    }
    let tasks: Vec<_> = streams
        .into_iter()
        .enumerate()
        .map(|(n, stream)| {
            let path = |m: usize| format!("/v1/vaults/{vault}/secrets/burst/{n}/{m}");
            let requests = (0..each).map(|m| put(&path(m), &organisation.owner_token)).collect();
            tokio::spawn(send(stream, requests))
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

/// Twenty times as many requests at once as may be in work (512): some are served, the others told to come again, and when it
/// is over the server is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_beyond_the_capacity_is_told_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_METRICS_LISTEN", "127.0.0.1:0")]);
    [std::process::id(), server.pid()].into_iter().for_each(allow_connections);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let before = open_files(server.pid());
    let statuses = burst(&organisation, vault, 20 * 512, 1).await;
    assert_eq!(statuses.values().sum::<usize>(), 20 * 512, "{statuses:?}: others were not answered at all");
    let (served, busy) = (statuses.get(&200).or(statuses.get(&201)).copied().unwrap_or(0), statuses.get(&503).copied());
    assert!(served >= 512 && busy.is_some_and(|busy| busy > 0), "{statuses:?}");
    assert!(statuses.keys().all(|status| matches!(status, 200 | 201 | 503)), "{statuses:?}");
    // At once: nothing of the burst waits any more.
    let (after, body) = (format!("/v1/vaults/{vault}/secrets/after"), serde_json::json!({"value": "v"}));
    let ended = Instant::now();
    let after = organisation.http.send("PUT", &after, Some(&organisation.owner_token), Some(&body)).await;
    assert_eq!(after.status, 201);
    assert!(ended.elapsed() < Duration::from_secs(1), "the burst's end is {:?} past", ended.elapsed());
    let listed = organisation.owner.secrets().list(vault).await.unwrap().secrets.len();
    assert_eq!(listed, served + 1, "who was told that it is written, and nobody else");
    let metrics = Http::new(&server.metrics_url().unwrap()).send("GET", "/metrics", None, None).await.text;
    let refused = metrics.lines().find_map(|line| {
        line.strip_prefix("keepward_http_requests_total{operation=\"none\",status=\"503\"} ")?.parse().ok()
    });
    assert_eq!(refused, statuses.get(&503).copied(), "each refusal is counted");
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
    let statuses = burst(&organisation, vault, 500, 2).await;
    assert!(statuses.get(&429).is_some_and(|limited| *limited >= 500), "{statuses:?}");
    // Who waits as long as they were told is served.
    let listed = organisation.owner.secrets().list(vault).await.unwrap().secrets.len();
    assert_eq!(listed, statuses.get(&200).or(statuses.get(&201)).copied().unwrap_or(0));
    let path = format!("/v1/vaults/{vault}/secrets/after");
    let body = serde_json::json!({"value": "v"});
    for _ in 0..2 {
        let after = organisation.http.send("PUT", &path, Some(&organisation.owner_token), Some(&body)).await;
        if after.status == 201 {
            return;
        }
        assert!(after.is_problem(429), "{after:?}");
        tokio::time::sleep(Duration::from_secs(after.header("retry-after").parse().unwrap())).await;
    }
    panic!("who waits is refused again");
}
