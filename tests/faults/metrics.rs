//! What Prometheus reads, and the dashboard that asks for it.

use keepward_tests::{Http, Organisation, OwnServer};
use std::collections::BTreeSet;

const DASHBOARD: &str = include_str!("../../docs/grafana.json");

/// The value of a line that begins with this.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {series} in {text}"))
}

#[tokio::test]
async fn requests_commits_and_lookups_are_measured_and_no_label_holds_what_a_client_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_METRICS_LISTEN", "127.0.0.1:0")]);
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
    assert!(value(text, "keepward_process_resident_memory_bytes") > 1_000_000.0);
    assert!(value(text, "keepward_process_cpu_seconds_total") >= 0.0);
    assert!(value(text, "keepward_process_open_fds") > 5.0);
    // They are answered nowhere else.
    assert_eq!(organisation.http.send("GET", "/metrics", None, None).await.status, 404);
    assert!(server.stop().success());
}

/// Every series and label that the dashboard asks for is one that a server has.
#[tokio::test]
async fn the_dashboard_asks_for_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = OwnServer::start(folder.path(), &[("KEEPWARD_METRICS_LISTEN", "127.0.0.1:0")]);
    Organisation::on(&server.url).await;
    let text = Http::new(&server.metrics_url().unwrap()).send("GET", "/metrics", None, None).await.text;
    let series: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split([' ', '{']).next())
        .chain(text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()))
        .collect();
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            for word in query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                if word.starts_with("keepward_") {
                    let family = word.strip_suffix("_total").unwrap_or(word);
                    assert!(series.contains(word) || series.contains(family), "{word} of {query}: {series:?}");
                    asked += 1;
                }
            }
            for label in query.split("by (").skip(1).filter_map(|rest| rest.split(')').next()) {
                for label in label.split(", ").filter(|label| *label != "le") {
                    assert!(text.contains(&format!("{label}=")), "{label} of {query}");
                }
            }
        }
    }
    assert!(asked >= 14, "{asked}");
}
