//! Running the other tools, and servers to test and show.

use crate::root;
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Cargo's profiles, as far as they are used here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    /// What packages hold, and what is measured.
    Release,
    /// Release without the link-time optimisation that takes half of its time.
    Demo,
}

impl Profile {
    /// One set of packages and targets a profile: cargo unifies features over what it builds at once, and another set would
    /// build half of the dependencies again.
    fn build(self) -> Vec<&'static str> {
        const SERVED: [&str; 8] =
            ["-p", "keepward-server", "-p", "keepward", "-p", "keepward-tests", "--bins", "--examples"];
        match self {
            Self::Dev => vec!["build", "--locked", "--workspace", "--bins", "--tests"],
            Self::Release => [&["build", "--locked", "--release"], SERVED.as_slice()].concat(),
            Self::Demo => [&["build", "--locked", "--profile", "demo"], SERVED.as_slice()].concat(),
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
            Self::Demo => "demo",
        }
    }
}

pub(crate) fn target_folder() -> PathBuf {
    // Where cargo puts it: a relative one is that of the folder in which it was called.
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    std::path::absolute(&folder).unwrap_or(folder)
}

/// Runs cargo and fails if it does.
pub(crate) fn cargo(arguments: &[&str], environment: &[(String, String)]) -> Result<()> {
    let status = cargo_command(arguments, environment).status().context("cargo")?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}

/// The same; what it printed.
pub(crate) fn cargo_said(arguments: &[&str], environment: &[(String, String)]) -> Result<String> {
    let output = cargo_command(arguments, environment).stderr(Stdio::inherit()).output().context("cargo")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("cargo {} failed: {said}", arguments.join(" "));
    }
    Ok(said)
}

fn cargo_command(arguments: &[&str], environment: &[(String, String)]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(arguments);
    // What cargo told this program about itself would make some packages build again.
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        command.env_remove(name);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Builds what the profile is for and answers the server's binary.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    cargo(&profile.build(), &[])?;
    Ok(target_folder().join(profile.folder()).join("keepward-server"))
}

/// A server on a free port of the loopback address, ended when dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    /// From the start of the process to its first answer.
    pub(crate) start_milliseconds: f64,
    /// Where its metrics are, if it was told to show them.
    metrics_address: Option<String>,
    child: Child,
    log: PathBuf,
}

impl Server {
    pub(crate) fn start(binary: &Path, data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let started = Instant::now();
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEEPWARD_")) {
            command.env_remove(name);
        }
        command.env("KEEPWARD_LISTEN", "127.0.0.1:0").env("KEEPWARD_DATA_DIR", data_dir).envs(settings.iter().copied());
        // To a file: whoever reads a pipe takes processor time from what is measured.
        let log = data_dir.with_extension("log");
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&log)?);
        let mut child = command.spawn().with_context(|| binary.display().to_string())?;
        loop {
            let has_ended = child.try_wait()?.is_some();
            let said = said();
            let entries: Vec<serde_json::Value> =
                said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let find = |name: &str| entries.iter().find_map(|entry| entry[name].as_str()).map(str::to_owned);
            if let Some(address) = find("address") {
                let (url, metrics_address) = (format!("http://{address}"), find("metrics_address"));
                // Whatever it is: the bare route of a bench has no health.
                ensure!(get(&address, "/v1/health")?.starts_with("HTTP/1.1 "), "{address} does not answer");
                let start_milliseconds = started.elapsed().as_secs_f64() * 1000.0;
                return Ok(Self { url, start_milliseconds, metrics_address, child, log });
            }
            if has_ended {
                bail!("the server did not start: {said}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its metrics, as Prometheus gets them.
    pub(crate) fn metrics(&self) -> Result<String> {
        get(self.metrics_address.as_deref().context("a server without metrics")?, "/metrics")
    }
}

/// What a server answers, head and body.
fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        // Its log goes away with its folder: whoever asks why a load failed finds it here.
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let is_trouble = |line: &&str| line.contains("\"level\":\"ERROR\"") || line.contains("\"level\":\"WARN\"");
        for line in said.lines().filter(is_trouble).take(20) {
            eprintln!("{line}");
        }
    }
}

/// Servers and databases of a run (`tests/src/bin/stage.rs`); they end with this.
pub(crate) struct Stage {
    child: Child,
    /// What the tests find them by.
    pub(crate) environment: Vec<(String, String)>,
}

impl Stage {
    pub(crate) fn set(profile: Profile, binary: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(target_folder().join(profile.folder()).join("stage"));
        command.args(arguments).env("KEEPWARD_TEST_BINARY", binary);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("stage")?;
        let mut environment = vec![("KEEPWARD_TEST_BINARY".to_owned(), binary.display().to_string())];
        for line in BufReader::new(child.stdout.take().context("stdout")?).lines() {
            match line?.split_once('=') {
                Some((name, value)) => environment.push((name.to_owned(), value.to_owned())),
                None => return Ok(Self { child, environment }),
            }
        }
        bail!("{arguments:?} did not start")
    }

    /// An empty database of that name in the stage's cluster; its address.
    pub(crate) fn database(&self, name: &str) -> Result<String> {
        let cluster = self.environment.iter().find(|(name, _)| name == "KEEPWARD_TEST_POSTGRES");
        let (_, cluster) = cluster.context("a stage without PostgreSQL")?;
        let made = Command::new(target_folder().join("release/load")).args(["create", cluster, name]).status()?;
        if !made.success() {
            bail!("the database {name} can't be made");
        }
        Ok(format!("{cluster}{name}"))
    }

    /// The address of the server, or of what stands before several.
    pub(crate) fn url(&self) -> Result<&str> {
        let found = self.environment.iter().find(|(name, _)| name == "KEEPWARD_TEST_URL");
        found.map(|(_, url)| url.as_str()).context("a stage without a server")
    }
}

impl Stage {
    /// Ends it; fails if it found something to say against the run.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        if self.child.wait()?.success() { Ok(()) } else { bail!("the servers of the run did not end well") }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// An empty folder below the system's temporary one, removed when dropped.
pub(crate) struct TemporaryFolder(pub(crate) PathBuf);

impl TemporaryFolder {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("keepward-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
