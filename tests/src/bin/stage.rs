//! What a test run needs: `stage sqlite|postgres|pair|cluster` (`pair`: two servers on one PostgreSQL behind a
//! front; `cluster`: a PostgreSQL without a server) starts it, prints it as lines of `NAME=value` and an empty one, and ends
//! it when standard input ends. With `durable` the PostgreSQL keeps what it acknowledged in a crash, as a real one
//! does. With `explain` it fails at the end if a statement of the shared servers searched no index.

use keepward_tests::{
    Cluster, Durability, Front, LOG_PLANS, OwnServer, make_template, postgres_plans, postgres_scans, sqlite_scans,
};
use std::collections::BTreeSet;
use std::io::Read;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    let folder = tempfile::Builder::new().prefix("keepward-test-").tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let is_durable = std::env::args().nth(2).is_some_and(|word| word == "durable");
    // A run whose statements are looked at when it ends.
    let explains = std::env::args().nth(2).is_some_and(|word| word == "explain");
    let durability = if is_durable { Durability::Full } else { Durability::None };
    let cluster = match what.as_str() {
        "sqlite" => None,
        "postgres" | "pair" | "cluster" => Some(Cluster::start(durability)),
        _ => panic!("stage sqlite|postgres|pair|cluster [durable]"),
    };
    if let (true, Some(cluster)) = (explains, &cluster) {
        cluster.add_settings(LOG_PLANS);
        cluster.reload();
    }
    let cluster_url = cluster.as_ref().map(|cluster| cluster.url(""));
    let settings: &[(&str, &str)] = if explains { &[("KEEPWARD_LOG", "trace")] } else { &[] };
    let start =
        || OwnServer::start_on(cluster_url.as_deref(), &data_dir, settings).unwrap_or_else(|log| panic!("{log}"));
    let mut servers = if what == "cluster" { Vec::new() } else { vec![start()] };
    let url = match what.as_str() {
        "cluster" => String::new(),
        "pair" => {
            servers.push(start());
            println!("KEEPWARD_TEST_PAIR=true");
            let addresses = servers.iter().map(|server| server.url.replace("http://", "")).collect();
            format!("http://{}", Front::start(addresses).address)
        }
        _ => servers[0].url.clone(),
    };
    println!("KEEPWARD_TEST_DATA_DIR={}", data_dir.display());
    println!("KEEPWARD_TEST_URL={url}");
    if let Some(url) = cluster_url {
        println!("KEEPWARD_TEST_POSTGRES={url}");
        if what == "postgres" {
            println!("{}", make_template(&url, &folder.path().join("template")));
        }
    }
    println!();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    if what == "pair" {
        // What one server alone has answered proves nothing of two.
        let answered: Vec<usize> =
            servers.iter().map(|server| server.log().matches("\"route\":\"/v1/").count()).collect();
        let all: usize = answered.iter().sum();
        let is_whole_run = all > 100;
        assert!(
            !is_whole_run || answered.iter().all(|one| *one * 4 > all),
            "the servers have answered {answered:?} requests"
        );
        eprintln!("the servers have answered {answered:?} requests");
    }
    let mut statements = BTreeSet::new();
    for server in servers {
        statements.extend(server.statements());
        assert!(server.stop().success());
    }
    if !explains {
        return;
    }
    let scans = match &cluster {
        Some(cluster) => {
            let (log, texts) = (cluster.log(), statements.len());
            let plans = postgres_plans(&log);
            assert!(plans > texts, "PostgreSQL has written {plans} plans of {texts} statements");
            postgres_scans(&log)
        }
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(sqlite_scans(&data_dir, &statements))
        }
    };
    let lookup = |text: &String| text.contains("FROM (VALUES") && !text.contains("secret_version");
    assert!(statements.iter().any(lookup), "the lookups of requests are not among {} statements", statements.len());
    for scan in &scans {
        eprintln!("without an index: {scan}");
    }
    assert!(scans.is_empty(), "{} of {} statements search no index", scans.len(), statements.len());
    eprintln!("{} statements, each of which searches an index", statements.len());
}
