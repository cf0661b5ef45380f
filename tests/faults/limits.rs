//! Rates: who is held back, for how long, and who is not.

use keepward_tests::{Answer, Http, Organisation, OwnServer, PASSWORD};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn limits_answer_429_with_the_wait() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_RATE_LIMIT", "1/s,3")]);
    let http = Http::new(&server.url);
    let mut limited = 0;
    for _ in 0..20 {
        let answer = http.get("/v1/auth/me", "wrong").await;
        if answer.status == 429 {
            assert!(answer.is_problem(429) && answer.header("retry-after").parse::<u32>().unwrap() >= 1, "{answer:?}");
            limited += 1;
        } else {
            assert!(answer.is_problem(401));
        }
    }
    assert!(limited >= 10, "{limited}");
    // 5 signups at once, then one a second.
    let signups = async |n: u32| {
        http.send("POST", "/v1/auth/signup", None, Some(&json!({"email": format!("{n}@example.com"), "password": "x"})))
            .await
    };
    let mut statuses = Vec::new();
    for n in 0..8 {
        statuses.push(signups(n).await.status);
    }
    assert_eq!(&statuses[..5], [400; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn a_wrong_key_locks_out_no_known_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&first.url).await;
    let (_, key) = organisation.agent().await;
    assert!(first.stop().success());
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_RATE_LIMIT", "100/s,200")]);
    let http = Http::new(&server.url);
    let exchange =
        async |key: &str| http.send("POST", "/v1/auth/agent-token", None, Some(&json!({"api_key": key}))).await.status;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(exchange("ocv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await);
    }
    assert_eq!(&statuses[..5], [401; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    assert_eq!(exchange(key.expose()).await, 200);
}

/// Guessing at a password is slow, and keeps its owner out from nowhere but where it is done.
#[tokio::test]
async fn failed_logins_wait_longer_each_time_and_lock_out_no_victim() {
    let folder = tempfile::tempdir().unwrap();
    let first = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&first.url).await;
    assert!(first.stop().success());
    let limits = [("KEEPWARD_RATE_LIMIT", "100/s,200"), ("KEEPWARD_TRUSTED_PROXIES", "127.0.0.1/32")];
    let server = OwnServer::start(folder.path(), &limits);
    let http = Http::new(&server.url);
    let login = async |from: &str, password: &str| {
        let body = json!({"email": organisation.email, "password": password});
        http.send_from(from, "POST", "/v1/auth/token", &body).await
    };
    let wait = |answer: &Answer| answer.header("retry-after").parse::<u64>().unwrap();
    for _ in 0..5 {
        assert!(login("192.0.2.1", "wrong").await.is_problem(401));
    }
    // The public rate of one a second answers first; what stays after it is the wait for this login.
    let bound = Instant::now() + Duration::from_secs(8);
    loop {
        let answer = login("192.0.2.1", PASSWORD).await;
        assert!(answer.is_problem(429), "{answer:?}");
        if wait(&answer) > 2 {
            break;
        }
        assert!(Instant::now() < bound, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Many networks guess: each has a guess or some, the owner's has none to fear.
    for network in 2..30 {
        let answer = login(&format!("192.0.2.{network}"), "wrong").await;
        assert!(answer.is_problem(401), "{answer:?}");
    }
    assert!(login("198.51.100.1", "wrong").await.is_problem(401));
    assert!(login("198.51.100.1", PASSWORD).await.is_problem(429), "one guess, while the address is under attack");
    assert_eq!(login("203.0.113.1", PASSWORD).await.status, 200);
}

/// Twelve workers that start with one key are let in; past the key's own limit the answer says which it is.
#[tokio::test]
async fn many_workers_start_with_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let first = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&first.url).await;
    let (_, key) = organisation.agent().await;
    assert!(first.stop().success());
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_RATE_LIMIT", "1000/s,2000")]);
    let http = Http::new(&server.url);
    let body = json!({"api_key": key.expose()});
    let exchange = || http.send("POST", "/v1/auth/agent-token", None, Some(&body));
    let answers = futures_util::future::join_all((0..12).map(|_| exchange())).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let answers = futures_util::future::join_all((0..300).map(|_| exchange())).await;
    let limited = answers.iter().find(|answer| answer.status == 429).expect("a limit");
    assert!(limited.is_problem(429) && limited.json()["detail"].as_str().unwrap().contains("100"), "{limited:?}");
    assert!(answers.iter().all(|answer| [200, 429].contains(&answer.status)));
}

#[tokio::test]
async fn health_is_never_limited() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_RATE_LIMIT", "1/s,1")]);
    let http = Http::new(&server.url);
    for path in ["/v1/health", "/v1/health/hsm", "/api/v1/health"] {
        for method in ["GET", "HEAD"].into_iter().cycle().take(20) {
            assert_eq!(http.send(method, path, None, None).await.status, 200, "{method} {path}");
        }
    }
    // Nor does it use up what others have.
    assert!(http.get("/v1/auth/me", "wrong").await.is_problem(401));
}
