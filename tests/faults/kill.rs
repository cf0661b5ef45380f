//! `kill -9` under write load: what was acknowledged is there. The judge is the client's own log of acknowledged writes,
//! synced before the next request goes out.

use keepward::Client;
use keepward_tests::{Mount, Organisation, OwnServer, command, is_postgres};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const KILLS: u32 = 20;
const WRITERS: usize = 4;

/// Writes one version after the other until the server is gone; each acknowledged one is in the log before the next.
async fn write(client: Client, vault: keepward::VaultId, writer: usize, log: PathBuf) {
    let mut log = File::options().append(true).create(true).open(log).unwrap();
    let path = format!("writer/{writer}");
    loop {
        let Ok(written) = client.secrets().put(vault, path.as_str(), format!("value-{writer}")).await else { return };
        writeln!(log, "{} {} {}", path, written.id, written.version).unwrap();
        log.sync_data().unwrap();
    }
}

fn acknowledged(folder: &Path) -> Vec<(String, String, i32)> {
    let mut all = Vec::new();
    for writer in 0..WRITERS {
        let text = std::fs::read_to_string(folder.join(format!("log-{writer}"))).unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split(' ').map(str::to_owned);
            all.push((words.next().unwrap(), words.next().unwrap(), words.next().unwrap().parse().unwrap()));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_and_events_survive_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = OwnServer::start(&data, &[]);
    let organisation = Organisation::on(&server.url).await;
    let vault = organisation.vault().await;
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    let mut server = server;
    for round in 0..KILLS {
        let client = Client::builder().base_url(&server.url).token(key.clone()).max_retries(0).build().unwrap();
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| tokio::spawn(write(client.clone(), vault, n, folder.path().join(format!("log-{n}")))))
            .collect();
        // Anywhere in the first half second, another place each round.
        tokio::time::sleep(Duration::from_millis(60 + u64::from(round) * 23 % 440)).await;
        server.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        let (good, said) = {
            let output = command(&data).args(["audit", "verify"]).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        assert!(good, "round {round}: {said}");
        server = OwnServer::start(&data, &[]);
    }
    let log = acknowledged(folder.path());
    assert!(log.len() > KILLS as usize, "{} writes", log.len());
    let client = Client::builder().base_url(&server.url).token(key).build().unwrap();
    let mut newest = BTreeMap::new();
    for (path, id, version) in &log {
        newest.entry((path.clone(), id.clone())).and_modify(|n: &mut i32| *n = (*n).max(*version)).or_insert(*version);
    }
    for ((path, id), version) in newest {
        let secret = client.secrets().get(vault, path.as_str()).await.unwrap();
        assert_eq!(secret.id.to_string(), id);
        assert!(secret.version >= version, "{path}: {} is there, {version} was acknowledged", secret.version);
        let writer = path.rsplit('/').next().unwrap();
        assert_eq!(secret.value.expose(), format!("value-{writer}"));
        // Every version has its event: as many as the newest version counts.
        let mut events = 0;
        loop {
            let page = client.audit().events().set(|q| {
                q.resource_id = Some(id.clone());
                q.action = Some("secret.write".into());
                q.limit = Some(1000);
                q.offset = Some(events);
            });
            let count = page.await.unwrap().count.unwrap();
            events += count;
            if count < 1000 {
                break;
            }
        }
        assert_eq!(events, secret.version, "{path}");
    }
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
    let listed = client.secrets().list(vault, None).await.unwrap().secrets;
    for path in &acknowledged {
        assert!(listed.iter().any(|secret| secret.path == *path), "{path} is gone");
    }
    drop(server);
    assert!(command(&data).args(["audit", "verify"]).status().unwrap().success());
}
