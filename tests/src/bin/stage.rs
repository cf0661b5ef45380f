//! What a test run needs: `stage sqlite|postgres` starts it, prints it as lines of `NAME=value` and an empty one, and ends
//! it when standard input ends.

use keepward_tests::{Cluster, Durability, OwnServer};
use std::io::Read;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    let folder = tempfile::Builder::new().prefix("keepward-test-").tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let cluster = match what.as_str() {
        "sqlite" => None,
        "postgres" => Some(Cluster::start(Durability::None)),
        _ => panic!("stage sqlite|postgres"),
    };
    let cluster_url = cluster.as_ref().map(|cluster| cluster.url(""));
    let server = OwnServer::start_on(cluster_url.as_deref(), &data_dir, &[]).unwrap_or_else(|log| panic!("{log}"));
    println!("KEEPWARD_TEST_DATA_DIR={}", data_dir.display());
    println!("KEEPWARD_TEST_URL={}", server.url);
    if let Some(url) = cluster_url {
        println!("KEEPWARD_TEST_POSTGRES={url}");
    }
    println!();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    assert!(server.stop().success());
}
