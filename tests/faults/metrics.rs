//! What Prometheus reads, and the dashboard that asks it.

use keepward::types::PolicyPermission;
use keepward_tests::{Http, Organisation, OwnServer};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DASHBOARD: &str = include_str!("../../docs/grafana.json");

/// The value of a line that begins with this.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {series} in {text}"))
}

#[tokio::test]
async fn requests_commits_and_lookups_are_measured_and_no_label_holds_what_a_client_sent() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("KEEPWARD_METRICS_LISTEN", "127.0.0.1:0"), ("KEEPWARD_LOG", "trace")];
    let server = OwnServer::start(folder.path(), &settings);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, "MARKER/path", "MARKER-value").await.unwrap();
    for _ in 0..3 {
        organisation.owner.secrets().get(vault, "MARKER/path").await.unwrap();
    }
    assert_eq!(organisation.http.get("/v1/auth/me", "MARKER-token").await.status, 401);
    assert_eq!(organisation.http.get("/v1/MARKER", "x").await.status, 404);
    let metrics = Http::new(&server.metrics_url().unwrap());
    let answer = metrics.send("GET", "/metrics", None, None).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"), "{answer:?}");
    let text = &answer.text;
    assert!(text.ends_with("# EOF\n") && !text.contains("MARKER"), "{text}");
    let requests = |operation: &str, status: u16| {
        value(text, &format!("keepward_http_requests_total{{operation=\"{operation}\",status=\"{status}\"}}"))
    };
    assert_eq!(requests("secret_get", 200), 3.0);
    assert_eq!(requests("secret_put", 201), 1.0);
    assert_eq!(requests("account_get", 401), 1.0);
    assert_eq!(requests("none", 404), 1.0);
    assert_eq!(value(text, "keepward_http_request_duration_seconds_count{operation=\"secret_get\"}"), 3.0);
    assert_eq!(value(text, "keepward_unproven_refusals_total{action=\"auth.failure\"}"), 1.0);
    // Signup, vault, PUT and three reads.
    assert_eq!(value(text, "keepward_commit_units_sum"), 6.0);
    assert!(value(text, "keepward_lookup_asks_sum") >= 5.0);
    assert!(value(text, "keepward_keystore_duration_seconds_count") >= 3.0);
    assert_eq!(value(text, "keepward_commit_failures_total"), 0.0);
    assert_eq!(value(text, "keepward_http_requests_in_work"), 0.0);
    assert!(value(text, "process_resident_memory_bytes") > 1_000_000.0);
    assert!(value(text, "process_cpu_seconds_total") >= 0.0);
    assert!(value(text, "process_open_fds") > 5.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 600.0..=now).contains(&value(text, "process_start_time_seconds")));
    let ids = [vault.to_string(), organisation.id.to_string(), organisation.owner_id.to_string()];
    assert!(!ids.iter().any(|id| text.contains(id)), "a label of which there is no end: {text}");
    // A read by token, by a key as it is, or by an agent under a policy, is one statement and one unit each.
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    let (agent, agent_key) = organisation.agent().await;
    organisation.grant(vault, "MARKER/**", agent, &[PolicyPermission::Read]).await;
    let body = serde_json::json!({"api_key": agent_key.expose()});
    let token = organisation.http.send("POST", "/v1/auth/agent-token", None, Some(&body)).await.json();
    let agent_token = token["access_token"].as_str().unwrap();
    let secret = format!("/v1/vaults/{vault}/secrets/MARKER/path");
    let counts = async || {
        let text = metrics.send("GET", "/metrics", None, None).await.text;
        let of = |name: &str| value(&text, name);
        let statements = of("keepward_lookup_asks_sum") + of("keepward_query_duration_seconds_count");
        // What the log says of statements about secrets: no counter of ours.
        let log = server.log();
        let logged = log.lines().filter(|line| line.contains("db.statement") && line.contains("secret_version"));
        (statements, of("keepward_commit_units_sum"), logged.count())
    };
    for bearer in [organisation.owner_token.as_str(), key.expose(), agent_token] {
        assert_eq!(organisation.http.get(&secret, bearer).await.status, 200);
        let before = counts().await;
        for _ in 0..5 {
            assert_eq!(organisation.http.get(&secret, bearer).await.status, 200);
        }
        let after = counts().await;
        assert_eq!((after.0 - before.0, after.1 - before.1, after.2 - before.2), (5.0, 5.0, 5));
    }
    // They are answered nowhere else.
    assert_eq!(organisation.http.send("GET", "/metrics", None, None).await.status, 404);
    assert!(server.stop().success());
}

/// Prometheus scrapes a server, and answers every query of the dashboard with numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_answers_what_the_dashboard_asks() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(&folder.path().join("data"), &[("KEEPWARD_METRICS_LISTEN", "127.0.0.1:0")]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let prometheus = Prometheus::start(folder.path(), &server.metrics_url().unwrap());
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut open: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(open.len() >= 14, "{open:?}");
    let bound = Instant::now() + Duration::from_secs(60);
    while !open.is_empty() {
        assert!(Instant::now() < bound, "Prometheus has no numbers for {open:#?}");
        // Rates and quantiles are of what happens between two looks.
        organisation.owner.secrets().put(vault, "a", "v").await.unwrap();
        organisation.owner.secrets().get(vault, "a").await.unwrap();
        organisation.owner.vaults().list().await.unwrap();
        assert_eq!(organisation.http.get("/v1/auth/me", "no-token").await.status, 401);
        let mut unanswered = Vec::new();
        for query in open {
            if !prometheus.answers(query).await {
                unanswered.push(query);
            }
        }
        open = unanswered;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A Prometheus of a test's own; gone when dropped.
struct Prometheus {
    http: Http,
    child: Child,
}

impl Prometheus {
    fn start(folder: &Path, metrics: &str) -> Self {
        let program = std::env::var("KEEPWARD_TEST_PROMETHEUS").expect("run the tests with `cargo xtask test`");
        let target = metrics.strip_prefix("http://").unwrap();
        let settings = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: keepward, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(folder.join("prometheus.yml"), settings).unwrap();
        let bound = Instant::now() + Duration::from_secs(30);
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(&program);
            command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
            command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut prometheus = Self { http: Http::new(&format!("http://127.0.0.1:{port}")), child };
            // It ends by itself where somebody else has taken the port since.
            while prometheus.child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return prometheus;
                }
                assert!(Instant::now() < bound, "Prometheus does not listen");
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(Instant::now() < bound, "Prometheus does not start");
        }
    }

    /// Whether a query has an answer with numbers in it.
    async fn answers(&self, query: &str) -> bool {
        let query = percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
        let answer = self.http.send("GET", &format!("/api/v1/query?query={query}"), None, None).await;
        if answer.status == 503 {
            return false; // It is reading its own files.
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let found = answer["data"]["result"].as_array().unwrap();
        let number = |one: &serde_json::Value| one["value"][1].as_str().unwrap().parse::<f64>().unwrap();
        !found.is_empty() && found.iter().any(|one| number(one).is_finite())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
