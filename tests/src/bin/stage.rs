//! What a test run needs: `stage sqlite|postgres|pair|cluster` (`pair`: two servers on one PostgreSQL behind a
//! front; `cluster`: a PostgreSQL without a server) starts it, prints it as lines of `NAME=value` and an empty one, and ends
//! it when standard input ends. With `durable` the PostgreSQL keeps what it acknowledged in a crash, as a real one does.

use keepward_tests::{Cluster, Durability, Front, OwnServer};
use std::io::Read;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    let folder = tempfile::Builder::new().prefix("keepward-test-").tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let is_durable = std::env::args().nth(2).is_some_and(|word| word == "durable");
    let durability = if is_durable { Durability::Full } else { Durability::None };
    let cluster = match what.as_str() {
        "sqlite" => None,
        "postgres" | "pair" | "cluster" => Some(Cluster::start(durability)),
        _ => panic!("stage sqlite|postgres|pair|cluster [durable]"),
    };
    let cluster_url = cluster.as_ref().map(|cluster| cluster.url(""));
    let start = || OwnServer::start_on(cluster_url.as_deref(), &data_dir, &[]).unwrap_or_else(|log| panic!("{log}"));
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
    }
    println!();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    for server in servers {
        assert!(server.stop().success());
    }
}
