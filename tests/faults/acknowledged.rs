//! Writers, and the judge of what a crash may not lose: each writer's own log of what was acknowledged, synced before its
//! next request goes out.

use keepward::{Client, SecretText, VaultId};
use keepward_tests::builder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const WRITERS: usize = 4;
const ROUNDS_BETWEEN_ENDS: i32 = 8;

/// How often something is killed: so many times in a test run, more in `cargo xtask soak`.
pub fn kills(usual: u64) -> u64 {
    std::env::var("KEEPWARD_TEST_KILLS").map_or(usual, |text| text.parse().unwrap())
}

/// Any number of a range.
pub fn random(range: std::ops::Range<u64>) -> u64 {
    range.start + uuid::Uuid::new_v4().as_u64_pair().1 % (range.end - range.start)
}

/// Writers that write one version after the other until they are told to stop, whatever they are answered.
pub struct Writers {
    stopped: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Starts them on the servers in turn; their logs go on in this folder.
    pub fn start(urls: &[&str], key: &SecretText, vault: VaultId, folder: &Path) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let start = |n: usize| {
            let client =
                builder(urls[n % urls.len()]).token(key.clone()).max_retries(0).timeout(Duration::from_secs(10));
            let log = folder.join(format!("log-{n}"));
            tokio::spawn(write(client.build().unwrap(), vault, n, log, Arc::clone(&stopped)))
        };
        Self { tasks: (0..WRITERS).map(start).collect(), stopped }
    }

    pub async fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn write(client: Client, vault: VaultId, writer: usize, log: PathBuf, stopped: Arc<AtomicBool>) {
    let open = |file: &Path| File::options().append(true).create(true).open(file).unwrap();
    let (mut reads, mut ended) = (open(&log.with_extension("reads")), open(&log.with_extension("ended")));
    let (mut log, path) = (open(&log), format!("writer/{writer}"));
    while !stopped.load(Ordering::Relaxed) {
        // Of each write another one, so that a version with the value of another write shows.
        let value = uuid::Uuid::new_v4().to_string();
        match client.secrets().put(vault, path.as_str(), value.as_str()).await {
            Ok(written) => {
                writeln!(log, "{} {} {} {}", path, written.id, written.version, value).unwrap();
                log.sync_data().unwrap();
                // An answer that shows a value promises that its event stands.
                if let Ok(read) = client.secrets().get(vault, path.as_str()).await {
                    let is_it = read.version == written.version && read.value.expose() == value;
                    assert!(is_it || read.version > written.version, "{path}: version {}", read.version);
                    writeln!(reads, "{}", read.id).unwrap();
                    reads.sync_data().unwrap();
                }
                if written.version % ROUNDS_BETWEEN_ENDS == 0
                    && let Ok(end) = end(&client, vault, &format!("ended/{writer}/{}", written.version)).await
                {
                    writeln!(ended, "{end}").unwrap();
                    ended.sync_data().unwrap();
                }
            }
            // Refused or cut off: nobody knows what became of it, and nothing was promised.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Makes a secret and a key, and ends both.
async fn end(client: &Client, vault: VaultId, path: &str) -> keepward::Result<String> {
    client.secrets().put(vault, path, "passing").await?;
    let key = client.api_keys().create("passing").await?.key.unwrap().id.unwrap();
    client.secrets().delete(vault, path).await?;
    client.api_keys().delete(key).await?;
    Ok(format!("{path} {key}"))
}

/// Waits until so many writes more are acknowledged than there were.
pub async fn wait_for_more(folder: &Path, than: usize, more: usize, log: impl Fn() -> String) {
    let bound = Instant::now() + Duration::from_secs(30);
    while count(folder) < than + more {
        assert!(Instant::now() < bound, "no write is acknowledged: {}", log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many writes were acknowledged so far, to each writer.
pub fn counts(folder: &Path) -> Vec<usize> {
    let log = |n: usize| std::fs::read_to_string(folder.join(format!("log-{n}"))).unwrap_or_default();
    (0..WRITERS).map(|n| log(n).lines().count()).collect()
}

/// How many writes were acknowledged so far.
pub fn count(folder: &Path) -> usize {
    counts(folder).iter().sum()
}

/// Everything that was acknowledged is there, with as many events as there are versions, and one for each read that was
/// answered; no version was given twice; what was deleted is gone.
pub async fn judge(client: &Client, vault: VaultId, folder: &Path) {
    let mut newest: BTreeMap<(String, String), (i32, String)> = BTreeMap::new();
    for n in 0..WRITERS {
        let text = std::fs::read_to_string(folder.join(format!("log-{n}"))).unwrap_or_default();
        let mut last = 0;
        for line in text.lines() {
            let [path, id, version, value] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let version: i32 = version.parse().unwrap();
            assert!(version > last, "{path}: version {version} after {last}");
            last = version;
            newest.insert((path.to_owned(), id.to_owned()), (version, value.to_owned()));
        }
    }
    for ((path, id), (version, value)) in newest {
        let secret = client.secrets().get(vault, path.as_str()).await.unwrap();
        assert_eq!(secret.id.to_string(), id);
        assert!(secret.version >= version, "{path}: {} is there, {version} was acknowledged", secret.version);
        // A later version is of a write whose answer was lost.
        assert_eq!(secret.value.expose() == value, secret.version == version, "{path}: version {version}");
        let writer = path.rsplit('/').next().unwrap();
        assert_eq!(count_events(client, &id, "secret.write").await, secret.version, "{path}");
        let reads = std::fs::read_to_string(folder.join(format!("log-{writer}.reads"))).unwrap();
        let reads = reads.lines().filter(|line| *line == id).count();
        // That of this judge, and those whose answers were lost, besides.
        let events = count_events(client, &id, "secret.read").await;
        assert!(events as usize > reads, "{path}: {events} events of {reads} acknowledged reads");
    }
    let keys = client.api_keys().list().await.unwrap().keys;
    for n in 0..WRITERS {
        let text = std::fs::read_to_string(folder.join(format!("log-{n}.ended"))).unwrap_or_default();
        for line in text.lines() {
            let (path, key) = line.split_once(' ').unwrap();
            assert_eq!(client.secrets().get(vault, path).await.unwrap_err().status(), Some(410), "{path}");
            assert!(keys.iter().all(|there| there.id.unwrap().to_string() != key), "key {key}");
        }
    }
}

async fn count_events(client: &Client, id: &str, action: &str) -> i32 {
    let mut events = 0;
    loop {
        let page = client.audit().events().resource_id(id).action(action).limit(1000).offset(events);
        let count = page.await.unwrap().count.unwrap();
        events += count;
        if count < 1000 {
            return events;
        }
    }
}
