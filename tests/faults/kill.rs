//! `kill -9` under write load: what was acknowledged is there. The judge is the client's own log of acknowledged writes,
//! synced before the next request goes out.

use crate::faults::acknowledged::{self, Writers, kills, random};
use keepward::Client;
use keepward_tests::{Mount, Organisation, OwnServer, builder, command, is_postgres};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_and_events_survive_kills() {
    let kills = kills(20);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = OwnServer::start(&data, &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    for round in 0..kills {
        let writers = Writers::start(&[&server.url], &key, vault, folder.path());
        // Anywhere in the first half second.
        let moment = random(60..500);
        println!("round {round}: killed after {moment} ms");
        tokio::time::sleep(Duration::from_millis(moment)).await;
        server.kill();
        writers.stop().await;
        let output = command(&data).args(["audit", "verify"]).output().unwrap();
        assert!(output.status.success(), "round {round}: {}", String::from_utf8_lossy(&output.stdout));
        server = OwnServer::start(&data, &[]);
    }
    assert!(acknowledged::count(folder.path()) > kills as usize);
    acknowledged::judge(&builder(&server.url).token(key).build().unwrap(), vault, folder.path()).await;
}

/// A disk that fills under load: what was acknowledged is there after a kill, and the server works again when there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_a_full_disk() {
    if is_postgres() {
        return; // Its disk is another; tests/faults/postgres.rs fills that.
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(folder.path(), "size=6m") else { return };
    let data = folder.path().join("data");
    let server = OwnServer::start(&data, &[("KEEPWARD_MIN_FREE", "0")]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    let client = Client::builder().base_url(&server.url).token(key.clone()).max_retries(0).build().unwrap();
    let value = "x".repeat(20_000);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for n in 0..2_000 {
        let path = format!("p{n}");
        match client.secrets().put(vault, path.as_str(), value.as_str()).await {
            Ok(_) => acknowledged.push(path),
            Err(error) => {
                assert_eq!(error.status(), Some(503), "{error:?}");
                refused += 1;
                if refused == 20 {
                    break;
                }
            }
        }
    }
    assert_eq!(refused, 20, "the disk did not fill");
    mount.change("size=64m");
    client.secrets().put(vault, "again", "v").await.unwrap();
    acknowledged.push("again".to_owned());
    server.kill();
    let server = OwnServer::start(&data, &[]);
    let client = Client::builder().base_url(&server.url).token(key).build().unwrap();
    let listed = client.secrets().list(vault).await.unwrap().secrets;
    for path in &acknowledged {
        assert!(listed.iter().any(|secret| secret.path == *path), "{path} is gone");
    }
    drop(server);
    assert!(command(&data).args(["audit", "verify"]).status().unwrap().success());
}
