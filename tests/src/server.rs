use crate::cluster::{create_database, run_sql};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The one server of a test run.
pub struct SharedServer {
    pub url: String,
    pub data_dir: PathBuf,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `cargo xtask test`"))
}

/// The server that `cargo xtask test` started (limits off), with its data folder for host-side commands.
pub fn shared() -> SharedServer {
    SharedServer { url: variable("KEEPWARD_TEST_URL"), data_dir: variable("KEEPWARD_TEST_DATA_DIR").into() }
}

/// The server's binary.
pub fn binary() -> PathBuf {
    variable("KEEPWARD_TEST_BINARY").into()
}

/// The cluster of a run on PostgreSQL, as an address without a database.
fn cluster_url() -> Option<String> {
    std::env::var("KEEPWARD_TEST_POSTGRES").ok()
}

/// Whether the run is one on PostgreSQL.
pub fn is_postgres() -> bool {
    cluster_url().is_some()
}

/// Whether the shared server is two of them behind a front that spreads connections: half of the calls go to each.
pub fn is_pair() -> bool {
    std::env::var_os("KEEPWARD_TEST_PAIR").is_some()
}

/// The name of the database that belongs to a data folder where the run is one on PostgreSQL.
fn database_name(data_dir: &Path) -> String {
    let name: String = data_dir.display().to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
    // Names have 63 bytes at most; what tells folders apart is at the end.
    format!("kw_{}", &name[name.len().saturating_sub(60)..])
}

/// The database that belongs to a data folder, as an address.
pub fn database_url(data_dir: &Path) -> String {
    match cluster_url() {
        Some(cluster) => format!("{cluster}{}", database_name(data_dir)),
        None => format!("sqlite://{}", data_dir.join("keepward.db").display()),
    }
}

/// A command of the binary, on the database of the data folder, without anything that this process inherited.
pub fn command(data_dir: &Path) -> Command {
    command_on(cluster_url().as_deref(), data_dir)
}

fn command_on(cluster: Option<&str>, data_dir: &Path) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEEPWARD_")) {
        command.env_remove(name);
    }
    if let Some(cluster) = cluster {
        let url = format!("{cluster}{}", database_name(data_dir));
        command.env("KEEPWARD_DATABASE_URL", url).env("KEEPWARD_UNSAFE_POSTGRES", "true");
    }
    command.arg("--data-dir").arg(data_dir).stdin(Stdio::null());
    command
}

impl SharedServer {
    /// Runs a host-side command beside the server and answers what it printed.
    pub fn host(&self, arguments: &[&str]) -> String {
        let output = command(&self.data_dir).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The variable with the name of the run's template.
const TEMPLATE: &str = "KEEPWARD_TEST_TEMPLATE";

/// Makes a database whose schema is there and whose tables are empty, for the databases of a run to be copied from, and
/// answers the line by which its tests find it.
pub fn make_template(cluster: &str, data_dir: &Path) -> String {
    let name = database_name(data_dir);
    assert!(create_database(cluster, &name, None), "createdb {name}");
    let migrated = command_on(Some(cluster), data_dir).arg("migrate").output().unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    // The keys that it has made are nobody's.
    let empty = "DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'seaql_migrations'); END $$";
    assert!(run_sql(&format!("{cluster}{name}"), empty), "{name} can't be emptied");
    format!("{TEMPLATE}={name}")
}

const STATEMENT: &str = "db.statement";

/// The statement that a line of the log is about.
fn statement(entry: &serde_json::Value) -> Option<String> {
    // A short one stands in the summary only.
    let (whole, summary) = (entry.get(STATEMENT)?.as_str()?.trim(), entry["summary"].as_str()?);
    Some(if whole.is_empty() { summary } else { whole }.to_owned())
}

/// A server of a test's own, ended when dropped.
pub struct OwnServer {
    pub url: String,
    child: Child,
    /// A file: whoever reads a pipe takes processor time from what is tested.
    log: tempfile::NamedTempFile,
}

impl OwnServer {
    /// Starts one on a free port with these settings (besides: limits off).
    pub fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::try_start(data_dir, settings).unwrap_or_else(|log| panic!("the server did not start: {log}"))
    }

    /// The same; the error is what a server that refuses to start has said.
    pub fn try_start(data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        Self::start_on(cluster_url().as_deref(), data_dir, settings)
    }

    /// The same, on a database of its own in that cluster, or on SQLite.
    pub fn start_on(cluster: Option<&str>, data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        if let Some(cluster) = cluster {
            let is_of_the_run = cluster_url().as_deref() == Some(cluster);
            let template = std::env::var(TEMPLATE).ok().filter(|_| is_of_the_run);
            // There already after the first start on this folder.
            create_database(cluster, &database_name(data_dir), template.as_deref());
        }
        let mut command = command_on(cluster, data_dir);
        command.env("KEEPWARD_LISTEN", "127.0.0.1:0").env("KEEPWARD_RATE_LIMIT", "off");
        let log = tempfile::Builder::new().prefix("keepward-log-").tempfile().unwrap();
        command.envs(settings.iter().copied()).stdout(Stdio::null()).stderr(log.reopen().unwrap());
        let mut server = Self { url: String::new(), child: command.spawn().unwrap(), log };
        loop {
            let has_ended = server.child.try_wait().unwrap().is_some();
            if let Some(address) = server.said("address") {
                let is_tls = settings.iter().any(|(name, _)| *name == "KEEPWARD_TLS_CERT");
                server.url = format!("{}://{address}", if is_tls { "https" } else { "http" });
                return Ok(server);
            }
            if has_ended {
                return Err(server.log());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The first word of a name in its log.
    fn said(&self, name: &str) -> Option<String> {
        let log = self.log();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        entries.filter_map(|entry| Some(entry[name].as_str()?.to_owned())).next()
    }

    /// Where it answers `/metrics`, if it was told to.
    pub fn metrics_url(&self) -> Option<String> {
        self.said("metrics_address").map(|address| format!("http://{address}"))
    }

    /// The statements that it has logged so far, each once, where its log is at the level `trace`.
    pub fn statements(&self) -> BTreeSet<String> {
        let lines = BufReader::new(self.log.reopen().unwrap()).lines().map_while(Result::ok);
        let lines = lines.filter(|line| line.contains(STATEMENT));
        lines.filter_map(|line| statement(&serde_json::from_str(&line).ok()?)).collect()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path()).unwrap()).into_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        let bound = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < bound, "the server does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
