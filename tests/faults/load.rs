//! Many at once, and slow ones: memory stays bounded and others go on.

use keepward_tests::{Http, Organisation, OwnServer, PASSWORD, RawConnection, is_postgres};
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn resident_kilobytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn sixty_four_logins_at_once_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let before = resident_kilobytes(server.pid());
    let logins: Vec<_> = (0..64)
        .map(|_| {
            let (http, body) = (organisation.http.clone(), json!({"email": organisation.email, "password": PASSWORD}));
            tokio::spawn(async move { http.send("POST", "/v1/auth/token", None, Some(&body)).await })
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(organisation.http.get("/v1/auth/me", &organisation.owner_token).await.status, 200);
    }
    let mut done = 0;
    for login in logins {
        let answer = login.await.unwrap();
        match answer.status {
            200 => done += 1,
            429 => assert!(answer.is_problem(429) && answer.header("retry-after").parse::<u32>().unwrap() >= 1),
            _ => panic!("{answer:?}"),
        }
    }
    assert!(done >= 32, "{done}");
    let grown = resident_kilobytes(server.pid()).saturating_sub(before);
    assert!(grown < 200_000, "{grown} kB: one hash takes 19 MiB, and few run at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_keys_and_addresses_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let http = Http::new(&server.url);
    let size = || std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum::<u64>();
    let (memory, disk) = (resident_kilobytes(server.pid()), size());
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let http = http.clone();
            tokio::spawn(async move {
                for _ in 0..1500 {
                    let random = [*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat();
                    use base64::Engine;
                    let key = format!("ocv_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random));
                    assert_eq!(http.get("/v1/agents/me", &key).await.status, 401);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(resident_kilobytes(server.pid()) < memory + 60_000, "memory is bounded");
    assert!(size() < disk + 200_000, "disk is bounded");
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_body_that_pauses_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let url = server.url.clone();
    let answer = tokio::task::spawn_blocking(move || {
        let mut connection = RawConnection::open(&url);
        connection.write(b"POST /v1/auth/signup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{");
        connection.read_all()
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("in time"), "{answer}");
}

/// Whoever waits for a client's bytes holds no place among the requests in work.
#[tokio::test]
async fn idle_bodies_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let head = b"POST /v1/auth/agent-token HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let mut idle = Vec::new();
    for _ in 0..600 {
        let mut connection = RawConnection::open(&server.url);
        connection.write(head);
        idle.push(connection);
    }
    for _ in 0..20 {
        assert_eq!(organisation.http.get("/v1/auth/me", &organisation.owner_token).await.status, 200);
    }
    organisation.owner.vaults().create("still").await.unwrap();
}

/// All bodies in memory together have 256 MB; who comes when that is taken is told to come back, and can.
#[tokio::test]
async fn bodies_take_no_more_than_their_memory() {
    const HELD: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let (url, token) = (server.url.clone(), organisation.owner_token.clone());
    // Each body but for its last byte.
    let held = tokio::task::spawn_blocking(move || {
        let body = vec![b' '; 5 * 1024 * 1024 - 1];
        let head = format!(
            "PUT /v1/vaults/{vault}/secrets/held HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len() + 1
        );
        let open = |_| {
            let mut connection = RawConnection::open(&url);
            connection.write(head.as_bytes());
            connection.write(&body);
            connection
        };
        (0..HELD).map(open).collect::<Vec<_>>()
    });
    let held = held.await.unwrap();
    assert!(resident_kilobytes(server.pid()) < 600_000);
    let answers = tokio::task::spawn_blocking(move || {
        let end = |mut connection: RawConnection| {
            connection.write(b" ");
            connection.read_all()
        };
        held.into_iter().map(end).collect::<Vec<_>>()
    });
    let answers = answers.await.unwrap();
    let refused = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after"));
    let read = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 400"));
    let (refused, read) = (refused.count(), read.count());
    assert!(refused > 0 && read > 0 && refused + read == HELD, "{refused} refused, {read} read");
    organisation.owner.secrets().put(vault, "after", "v").await.unwrap();
}

/// A connection on which nothing moves is ended: one that never asks, one that stops in the first words of HTTP/2, one whose
/// answers nobody reads.
#[tokio::test]
async fn silent_connections_are_ended() {
    const LARGE: usize = 4 * 1024 * 1024;
    const ANSWERS: usize = 8;
    if is_postgres() {
        // It takes two minutes, and it is SQLite that could suffer.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "large", "x".repeat(LARGE)).await.unwrap();
    let open = || TcpStream::connect(server.url.strip_prefix("http://").unwrap());
    let (mut silent, mut half, mut deaf) = (open().await.unwrap(), open().await.unwrap(), open().await.unwrap());
    half.write_all(b"PRI * HTTP/2").await.unwrap();
    let token = &organisation.owner_token;
    let ask =
        format!("GET /v1/vaults/{vault}/secrets/large HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    deaf.write_all(ask.repeat(ANSWERS).as_bytes()).await.unwrap();
    for quiet in [&mut silent, &mut half] {
        let ended = tokio::time::timeout(Duration::from_secs(180), quiet.read(&mut [0; 64])).await;
        assert_eq!(ended.expect("it was held open").unwrap_or(0), 0);
    }
    // Data went over the last one a little later: another look.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut read = Vec::new();
    // Some answers are on their way; then it is cut off.
    let _ = tokio::time::timeout(Duration::from_secs(30), deaf.read_to_end(&mut read)).await.expect("it was held open");
    assert!(!read.is_empty() && read.len() < LARGE * ANSWERS, "{}", read.len());
    organisation.owner.vaults().get(vault).await.unwrap();
    // SQLite's locks, which keep others from taking its log away, are those of a process and a file: whoever closes another
    // descriptor of the file drops them.
    let (locks, pid) = (std::fs::read_to_string("/proc/locks").unwrap(), format!(" {} ", server.pid()));
    for name in ["keepward.db", "keepward.db-shm"] {
        let inode = format!(":{} ", std::fs::metadata(folder.path().join(name)).unwrap().ino());
        assert!(
            locks.lines().any(|line| line.contains("POSIX") && line.contains(&pid) && line.contains(&inode)),
            "{name}: {locks}"
        );
    }
}

/// Whoever has sent half a request keeps no server from stopping in time to leave its heads.
#[tokio::test]
async fn a_stop_waits_not_long_for_half_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let mut half = RawConnection::open(&server.url);
    half.write(b"GET /v1/health HTTP/1.1\r\nHo");
    Organisation::on(&server.url).await;
    assert!(server.stop().success());
    assert!(folder.path().join("audit-heads.json").exists());
}
