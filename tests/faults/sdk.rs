//! The SDK against servers that misbehave: each answer of a script goes to one connection.

use futures_util::StreamExt;
use keepward::{Client, Error};
use keepward_tests::{Mirror, Organisation, OwnServer, PASSWORD, builder, shared};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A server that gives scripted answers, the last one for ever, and remembers what it was sent.
struct Script {
    url: String,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn run(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let answers: Vec<String> = answers.iter().map(|answer| answer.to_string()).collect();
        let (count, kept) = (Arc::clone(&asked), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 16_384];
                let length = stream.read(&mut buffer).unwrap_or(0);
                kept.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
                let answer = &answers[count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, asked, heads }
    }

    fn client(&self) -> Client {
        Client::builder().base_url(&self.url).token("t").timeout(Duration::from_secs(5)).build().unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

fn busy() -> String {
    answer(
        "503 Service Unavailable",
        "Retry-After: 0\r\nContent-Type: application/problem+json\r\n",
        r#"{"type":"about:blank","title":"x","status":200,"detail":"busy"}"#,
    )
}

#[tokio::test]
async fn a_get_is_repeated_and_a_put_is_not() {
    let list = answer("200 OK", "Content-Type: application/json\r\n", r#"{"vaults":[]}"#);
    let script = Script::run(&[&busy(), &busy(), &list]);
    assert!(script.client().vaults().list().await.unwrap().vaults.is_empty());
    assert_eq!(script.asked(), 3);
    let script = Script::run(&[&busy()]);
    let vault = keepward::VaultId(uuid::Uuid::nil());
    let error = script.client().secrets().put(vault, "a", "v").await.unwrap_err();
    assert_eq!((error.status(), script.asked()), (Some(503), 1), "the status is HTTP's, not the body's");
}

/// What a client is told of them holds; the defaults would take another time, or number of tries.
#[tokio::test]
async fn retries_and_time_outs() {
    let client = |url: &str| Client::builder().base_url(url).token("t");
    for retries in [0, 2] {
        let script = Script::run(&[&busy()]);
        let client = client(&script.url).max_retries(retries).build().unwrap();
        assert_eq!(client.vaults().list().await.unwrap_err().status(), Some(503));
        assert_eq!(script.asked(), retries as usize + 1);
    }
    let limited = |seconds: u32| answer("429 Too Many Requests", &format!("Retry-After: {seconds}\r\n"), "{}");
    let script = Script::run(&[&limited(1), &answer("409 Conflict", "", "{}")]);
    let begun = Instant::now();
    // A change that was refused goes out again.
    let error = client(&script.url).build().unwrap().vaults().create("v").await.unwrap_err();
    assert!(error.is_conflict() && script.asked() == 2 && begun.elapsed() >= Duration::from_secs(1), "{error}");
    let script = Script::run(&[&limited(61)]);
    let error = client(&script.url).build().unwrap().vaults().list().await.unwrap_err();
    assert!(error.is_rate_limited() && script.asked() == 1, "longer than a minute a caller would rather know");
    for (date, is_told) in [("Thu, 31 Dec 2099 23:59:59 GMT", true), ("Fri, 31 Dec 1999 23:59:59 GMT", false)] {
        let script = Script::run(&[&answer("429 Too Many Requests", &format!("Retry-After: {date}\r\n"), "{}")]);
        let client = client(&script.url).max_retries(1).build().unwrap();
        let Err(Error::Api(error)) = client.vaults().list().await else { panic!("not refused") };
        // Over a minute away; one that is over is none, and the pause is the usual one.
        assert_eq!(error.retry_after.is_some_and(|wait| wait > Duration::from_secs(86_400)), is_told, "{error:?}");
        assert_eq!((error.retry_after.is_some(), script.asked()), (is_told, if is_told { 1 } else { 2 }));
    }

    let short = Duration::from_millis(300);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let begun = Instant::now();
    let error = client(&url).timeout(short).max_retries(0).build().unwrap().vaults().list().await.unwrap_err();
    assert!(matches!(error, Error::Timeout), "{error}");
    assert!((short..Duration::from_secs(15)).contains(&begun.elapsed()));
    let mirror = Mirror::start(None).await;
    let begun = Instant::now();
    let client = client(mirror.urls()["crowded"].as_str()).connect_timeout(short).max_retries(0).build().unwrap();
    assert!(matches!(client.vaults().list().await, Err(Error::Connection { sent: false, .. })));
    assert!((short..Duration::from_secs(4)).contains(&begun.elapsed()));
}

/// A member that a newer server writes in another form takes no other along.
#[tokio::test]
async fn the_problem_of_a_newer_server_is_read_as_far_as_it_is_known() {
    for (more, fields) in
        [(r#""fields":null,"type":7"#, vec![]), (r#""fields":{"a":["x"],"b":"wrong"},"more":{}"#, vec![("b", "wrong")])]
    {
        let script = Script::run(&[&answer("400 Bad Request", "", &format!(r#"{{"title":"t","detail":"d",{more}}}"#))]);
        let Err(Error::Api(error)) = script.client().vaults().list().await else { panic!("{more}") };
        assert_eq!((error.kind.as_str(), error.title.as_str(), error.detail.as_str()), ("about:blank", "t", "d"));
        let found: Vec<_> = error.fields.iter().map(|(name, rule)| (name.as_str(), rule.as_str())).collect();
        assert_eq!(found, fields);
    }
}

/// Whoever knows nothing of pages answers the same one for ever.
#[tokio::test]
async fn pages_without_an_end_are_an_error() {
    let events = r#"{"events":[{"id":"3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10","action":"secret.read","details":{}}]}"#;
    let script = Script::run(&[&answer("200 OK", "Content-Type: application/json\r\n", events)]);
    let client = script.client();
    let found: Vec<_> = client.audit().events().stream().collect().await;
    assert!(found[0].is_ok() && matches!(found[1], Err(Error::UnexpectedAnswer { .. })));
    assert_eq!((found.len(), script.asked()), (2, 11));
}

/// What is added meanwhile moves others on, past a short last page, too.
#[tokio::test]
async fn pages_give_nothing_twice() {
    let ids = [1, 2, 3].map(uuid::Uuid::from_u128);
    let page = |of: &[usize]| {
        let events: Vec<_> = of.iter().map(|n| serde_json::json!({"id": ids[*n], "details": {}})).collect();
        answer("200 OK", "Content-Type: application/json\r\n", &serde_json::json!({"events": events}).to_string())
    };
    let script = Script::run(&[&page(&[0, 1]), &page(&[2]), &page(&[1, 2]), &page(&[])]);
    let found: Vec<_> = script.client().audit().events().limit(2).stream().collect().await;
    assert_eq!(found.into_iter().map(|event| event.unwrap().id.unwrap().0).collect::<Vec<_>>(), ids);
    assert_eq!(script.asked(), 4);
}

#[tokio::test]
async fn retries_end() {
    let script = Script::run(&[&busy()]);
    let error = script.client().vaults().list().await.unwrap_err();
    assert_eq!((error.status(), script.asked()), (Some(503), 4));
}

#[tokio::test]
async fn what_is_not_ours_is_an_error_without_its_body() {
    for (body, status) in [
        ("<html>hunter2</html>", "200 OK"),
        (r#"{"value":"hunter2"}"#, "200 OK"),
        ("hunter2", "418 Teapot"),
        ("", "500 Oops"),
    ] {
        let script = Script::run(&[&answer(status, "", body)]);
        let vault = keepward::VaultId(uuid::Uuid::nil());
        let error = script.client().secrets().get(vault, "a").await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        assert_eq!(error.status().map(|status| status.to_string()).as_deref(), status.split(' ').next());
    }
}

/// An answer that is cut is none: a GET goes out again, what may be counted does not.
#[tokio::test]
async fn an_answer_that_is_cut_is_asked_for_again() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let script = Script::run(&[cut, &json(r#"{"vaults":[]}"#)]);
    assert!(script.client().vaults().list().await.unwrap().vaults.is_empty());
    assert_eq!(script.asked(), 2);
    let script = Script::run(&[cut]);
    assert!(matches!(script.client().vaults().list().await, Err(Error::Connection { .. })));
    assert_eq!(script.asked(), 4);
    let script = Script::run(&[cut]);
    let vault = keepward::VaultId(uuid::Uuid::nil());
    assert!(matches!(script.client().secrets().get(vault, "a").await, Err(Error::Connection { .. })));
    assert_eq!(script.asked(), 1);
}

#[tokio::test]
async fn an_answer_of_ten_megabytes_is_read() {
    let padding = "x".repeat(10 * 1024 * 1024);
    let script = Script::run(&[&json(&format!(r#"{{"vaults":[],"padding":"{padding}"}}"#))]);
    assert!(script.client().vaults().list().await.unwrap().vaults.is_empty());
}

/// Some proxies refuse slashes that are encoded.
#[tokio::test]
async fn a_path_is_sent_with_its_slashes() {
    let script = Script::run(&[&busy()]);
    let vault = keepward::VaultId(uuid::Uuid::nil());
    let _ = script.client().secrets().put(vault, "payments/stripe/key", "v").await;
    assert!(script.heads.lock().unwrap()[0].contains("/secrets/payments/stripe/key HTTP/1.1\r\n"));
}

/// Of a refusal, its status counts, whole or not.
#[tokio::test]
async fn a_refusal_that_is_cut_is_one() {
    for status in ["404 Not Found", "403 Forbidden"] {
        let script = Script::run(&[&format!("HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\n{{")]);
        let error = script.client().vaults().list().await.unwrap_err();
        assert_eq!((error.status().map(|s| s.to_string()).as_deref(), script.asked()), (status.split(' ').next(), 1));
    }
    let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 100\r\n\r\n{";
    let script = Script::run(&[busy, &json(r#"{"vaults":[]}"#)]);
    assert!(script.client().vaults().list().await.unwrap().vaults.is_empty());
}

/// A call that is dropped ends, and its connection with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder().base_url(url).token("t").build().unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), client.vaults().list()).await.is_err());
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head = Vec::new();
    stream.read_to_end(&mut head).expect("the connection is still open");
    assert!(head.starts_with(b"GET /v1/vaults"));
}

/// Runs a test of this file again, in a process of its own with these variables.
fn alone(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("faults::sdk::{test}"), "--nocapture"]).env(ALONE, "true");
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
    let both = proxies.iter().flat_map(|name| [(*name).to_owned(), name.to_lowercase()]);
    for name in ["KEEPWARD_URL", "KEEPWARD_AGENT_KEY"].map(str::to_owned).into_iter().chain(both) {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

const ALONE: &str = "KEEPWARD_TEST_ALONE";

fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Not over http; over https it is asked for a tunnel, and sees no more.
#[tokio::test]
async fn a_proxy_of_the_environment_sees_no_token() {
    if !is_alone() {
        let proxy = Script::run(&["HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"]);
        let variables = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, proxy.url.as_str()));
        alone("a_proxy_of_the_environment_sees_no_token", &variables);
        let heads = proxy.heads.lock().unwrap();
        assert_eq!(heads.len(), 1);
        assert!(heads[0].starts_with("CONNECT vault.example.com:443 ") && !heads[0].contains("secret-token"));
        return;
    }
    let script = Script::run(&[&json(r#"{"vaults":[]}"#)]);
    script.client().vaults().list().await.unwrap();
    let client = Client::builder().base_url("https://vault.example.com").token("secret-token").max_retries(0);
    assert!(matches!(client.build().unwrap().vaults().list().await, Err(Error::Connection { .. })));
}

#[test]
fn variables_that_are_missing_or_empty_are_named() {
    if !is_alone() {
        for url in ["", "http://127.0.0.1:1"] {
            let variables = [("KEEPWARD_URL", url), ("KEEPWARD_AGENT_KEY", "")];
            alone("variables_that_are_missing_or_empty_are_named", &variables);
        }
        return alone("variables_that_are_missing_or_empty_are_named", &[]);
    }
    let missing = if std::env::var("KEEPWARD_URL").is_ok_and(|url| !url.is_empty()) { "AGENT_KEY" } else { "URL" };
    let error = Client::from_env().unwrap_err();
    assert!(error.to_string().contains(&format!("KEEPWARD_{missing} is not set")), "{error}");
}

/// What this process has open, its threads, and its resident memory in MB.
fn held() -> [usize; 3] {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    [count("/proc/self/fd"), count("/proc/self/task"), pages * 4096 / 1_000_000]
}

#[tokio::test]
async fn a_thousand_clients_leave_nothing() {
    if !is_alone() {
        return alone("a_thousand_clients_leave_nothing", &[]);
    }
    let script = Script::run(&[&json(r#"{"vaults":[]}"#)]);
    let some = async |count: usize| {
        for _ in 0..count {
            script.client().vaults().list().await.unwrap();
        }
        held()
    };
    let before = some(200).await;
    let after = some(1000).await;
    for (held, (then, slack)) in after.into_iter().zip(before.into_iter().zip([8, 2, 12])) {
        assert!(held <= then + slack, "{before:?}, then {after:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Script::run(&[&answer("200 OK", "", r#"{"vaults":[]}"#)]);
    let script = Script::run(&[&answer("302 Found", &format!("Location: {}/v1/vaults\r\n", target.url), "")]);
    assert_eq!(script.client().vaults().list().await.unwrap_err().status(), Some(302));
    assert_eq!(target.asked(), 0);
}

#[tokio::test]
async fn paths_are_checked_before_sending() {
    let script = Script::run(&[&busy()]);
    let vault = keepward::VaultId(uuid::Uuid::nil());
    let long = "a".repeat(513);
    for path in ["", "/a", "a/", "a//b", "..", "a/../b", "é", "a b", long.as_str()] {
        assert!(matches!(script.client().secrets().get(vault, path).await, Err(Error::InvalidArgument(_))), "{path}");
        assert!(
            matches!(script.client().secrets().put(vault, path, "v").await, Err(Error::InvalidArgument(_))),
            "{path}"
        );
    }
    assert!(matches!(script.client().vaults().create("").await, Err(Error::InvalidArgument(_))));
    assert_eq!(script.asked(), 0);
}

#[tokio::test]
async fn public_operations_carry_no_credential() {
    let health =
        answer("200 OK", "Content-Type: application/json\r\n", r#"{"status":"a-newer-word","version":"9","more":1}"#);
    let script = Script::run(&[&health]);
    let answer = script.client().health().get().await.unwrap();
    assert_eq!(answer.status.unwrap().to_string(), "a-newer-word", "a newer server's word survives");
    assert!(!script.heads.lock().unwrap()[0].to_lowercase().contains("authorization"));
}

#[tokio::test]
async fn one_token_is_fetched_for_many_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[]);
    let organisation = Organisation::on(&server.url).await;
    let (_, key) = organisation.agent().await;
    let agent = organisation.as_agent(&key);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let agent = agent.clone();
            tokio::spawn(async move { agent.agents().me().await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let exchanges = organisation.owner.audit().events().action("auth.success").await.unwrap();
    assert_eq!(exchanges.events.len(), 1);
}

#[tokio::test]
async fn a_client_goes_on_after_its_token_was_revoked() {
    let organisation = Organisation::new().await;
    let (_, key) = organisation.agent().await;
    let agent = organisation.as_agent(&key);
    agent.agents().me().await.unwrap();
    agent.auth().revoke().await.unwrap();
    // Another token is fetched, for what changes something, too: with the old one it was refused.
    agent.agents().me().await.unwrap();
    agent.auth().revoke().await.unwrap();
    let vault = organisation.vault().await;
    assert_eq!(agent.secrets().put(vault, "a", "v").await.unwrap_err().status(), Some(403));
}

fn json(body: &str) -> String {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}

const TOKEN: &str = r#"{"access_token":"t1","token_type":"bearer","expires_in":3600}"#;

/// A refused exchange is one exchange, however many wait for it.
#[tokio::test]
async fn who_waits_for_a_token_shares_the_failure() {
    let unauthorized =
        answer("401 Unauthorized", "", r#"{"type":"about:blank","title":"x","status":401,"detail":"d"}"#);
    let script = Script::run(&[&unauthorized]);
    let client = Client::builder().base_url(&script.url).agent_key("ocv_x").build().unwrap();
    let calls = (0..50).map(|_| client.vaults().list());
    for outcome in futures_util::future::join_all(calls).await {
        assert_eq!(outcome.unwrap_err().status(), Some(401));
    }
    assert_eq!(script.asked(), 1);
    // Who comes later asks again.
    assert_eq!(client.vaults().list().await.unwrap_err().status(), Some(401));
    assert_eq!(script.asked(), 2);
}

/// An exchange that is told to come again does, whatever it is for.
#[tokio::test]
async fn an_exchange_is_repeated() {
    let script = Script::run(&[&busy(), &busy(), &json(TOKEN), &json(r#"{"vaults":[]}"#)]);
    let client = Client::builder().base_url(&script.url).agent_key("ocv_x").build().unwrap();
    client.vaults().list().await.unwrap();
    assert_eq!(script.asked(), 4);
}

/// That a token could not be renewed is no word on the caller.
#[tokio::test]
async fn a_renewal_that_fails_says_why() {
    let script = Script::run(&[&json(TOKEN), &answer("401 Unauthorized", "", "{}"), &busy()]);
    let client = Client::builder().base_url(&script.url).agent_key("ocv_x").build().unwrap();
    assert_eq!(client.vaults().list().await.unwrap_err().status(), Some(503));
    assert_eq!(script.asked(), 2 + 4, "the exchange is tried as often as any call");
}

/// progenitor holds parameters as plain text.
#[test]
fn a_call_by_hand_shows_no_key() {
    let client = Client::builder().base_url("http://127.0.0.1:1").build().unwrap();
    let rotate = client.api().cmek_rotate().x_cmek_old_key("hunter2").x_cmek_new_key("hunter2");
    let access = client.api().share_access().x_share_passphrase("hunter2");
    let shown = format!("{rotate:?} {access:?}");
    assert!(shown.contains("CmekRotate") && !shown.contains("hunter2"), "{shown}");
}

/// An answer that may have been one of few is not asked for twice; a refusal is.
#[tokio::test]
async fn a_read_that_may_be_counted_is_repeated_after_refusals_only() {
    let vault = keepward::VaultId(uuid::Uuid::nil());
    for lost in [answer("502 Bad Gateway", "", ""), answer("504 Gateway Timeout", "", ""), busy(), String::new()] {
        let script = Script::run(&[&lost]);
        assert!(script.client().secrets().get(vault, "a").await.is_err());
        assert_eq!(script.asked(), 1, "{lost}");
        let script = Script::run(&[&lost, &json(r#"{"vaults":[]}"#)]);
        assert!(script.client().vaults().list().await.is_ok(), "{lost}");
    }
    let script = Script::run(&[&answer("429 Too Many Requests", "Retry-After: 0\r\n", "")]);
    assert!(script.client().secrets().get(vault, "a").await.is_err());
    assert_eq!(script.asked(), 4);
}

#[tokio::test]
async fn a_login_that_asks_for_more_says_so() {
    let script = Script::run(&[&json(r#"{"mfa_required":true,"mfa_token":"m"}"#)]);
    let client = Client::builder().base_url(&script.url).password("a@example.com", "p").build().unwrap();
    let error = client.vaults().list().await.unwrap_err();
    assert!(matches!(&error, Error::Login(text) if text.contains("second factor")), "{error:?}");
}

#[test]
fn what_a_builder_refuses() {
    let build = |url: &str| Client::builder().base_url(url).build();
    for url in ["", "vault.example.com", "ftp://a", "http://user:pw@a", "http://a?x=1", "http://a#x"] {
        assert!(matches!(build(url), Err(Error::Configuration(_))), "{url}");
    }
    for url in ["http://127.0.0.1:1/", "http://127.0.0.1:1 ", "http://127.0.0.1:1/below/", "https://a"] {
        assert!(build(url).is_ok(), "{url}");
    }
    let both = Client::builder().base_url("http://a").agent_key("ocv_x").token("t").build();
    assert!(matches!(both, Err(Error::Configuration(_))));
    assert!(matches!(Client::builder().build(), Err(Error::Configuration(_))));
    let client = Client::builder().base_url("http://a").agent_key("ocv_hunter2").build().unwrap();
    assert!(!format!("{client:?}").contains("hunter2"), "debug prints nothing");
}

#[tokio::test]
async fn a_path_of_the_base_url_is_kept() {
    let script = Script::run(&[&json(r#"{"vaults":[]}"#)]);
    let client = Client::builder().base_url(format!("{}/below/ ", script.url)).token("t").build().unwrap();
    client.vaults().list().await.unwrap();
    assert!(script.heads.lock().unwrap()[0].starts_with("GET /below/v1/vaults HTTP/1.1"));
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::builder().base_url(url).token("t").max_retries(1).build().unwrap();
    assert!(matches!(client.vaults().list().await, Err(Error::Connection { sent: false, .. })));
}

#[test]
fn a_call_can_be_waited_for_without_a_runtime() {
    let client = builder(&shared().url).build().unwrap();
    let signed_up = std::thread::scope(|scope| {
        // Two threads on one client at once.
        let one =
            scope.spawn(|| client.auth().signup(format!("{}@example.com", uuid::Uuid::new_v4()), PASSWORD).wait());
        let other = scope.spawn(|| client.health().get().wait());
        assert!(other.join().unwrap().is_ok());
        one.join().unwrap().unwrap()
    });
    // Once: a connection that nobody sees to would be found out by its time, and the next try would hide it.
    let human = builder(&shared().url).token(signed_up.access_token.unwrap()).max_retries(0).build().unwrap();
    assert!(human.audit().events().limit(1).wait().unwrap().events.len() == 1);
    for n in 0..5 {
        human.vaults().create(format!("v{n}")).wait().unwrap();
    }
    let made: Vec<_> = human.audit().events().action("vault.create").limit(2).iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(made.len(), 5);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let within = runtime.block_on(async { human.account().get().wait() });
    assert!(matches!(within, Err(keepward::Error::Configuration(_))), "it would stop the runtime");
    assert_eq!(runtime.block_on(async { human.audit().events().iter().count() }), 1, "an error is the last");
    // A thread of its that may wait does as its documentation says.
    let waits = runtime.block_on(runtime.spawn_blocking(move || {
        tokio::runtime::Handle::current().block_on(human.account().get()).map(|account| account.id)
    }));
    assert!(waits.unwrap().unwrap().is_some());
}
