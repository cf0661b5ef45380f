//! Running the other tools, and servers to test and show.

use crate::root;
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Cargo's profiles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// What the demo and the tests run, with the hot crates optimised.
    Dev,
    /// What packages hold, and what is measured.
    Release,
}

impl Profile {
    /// Cargo's words for a build. Always of the whole workspace, of which `targets` are built: cargo unites the features of
    /// the packages that it is asked for, and another set of them would build half of the dependencies again.
    fn build(self, targets: &[&'static str]) -> Vec<&'static str> {
        let profile: &[&str] = match self {
            Self::Dev => &["--workspace"],
            Self::Release => &["--workspace", "--release"],
        };
        [&["build", "--locked"], profile, targets].concat()
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

pub fn target_folder() -> PathBuf {
    // Where cargo puts it: a relative one is that of the folder in which it was called.
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    std::path::absolute(&folder).unwrap_or(folder)
}

/// Runs cargo and fails if it does.
pub fn cargo(arguments: &[&str], environment: &[(String, String)]) -> Result<()> {
    let status = cargo_command(arguments, environment).status().context("cargo")?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}

/// The same; what it printed.
pub fn cargo_said(arguments: &[&str], environment: &[(String, String)]) -> Result<String> {
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

/// The server, and the programs that run, load and judge it.
pub const SERVED: &[&str] =
    &["--bin", "keepward-server", "--bin", "stage", "--bin", "load", "--bin", "mirror", "--bin", "reads"];

/// Builds targets of the workspace, the server among them, and answers the server's binary.
pub fn build(profile: Profile, targets: &[&'static str]) -> Result<PathBuf> {
    cargo(&profile.build(targets), &[])?;
    Ok(program(profile, "keepward-server"))
}

/// A program that was built.
pub fn program(profile: Profile, name: &str) -> PathBuf {
    target_folder().join(profile.folder()).join(name)
}

/// A server on a free port of the loopback address, ended when dropped.
pub struct Server {
    pub url: String,
    /// From the start of the process to its first answer.
    pub start_milliseconds: f64,
    /// Where its metrics are, if it was told to show them.
    metrics_address: Option<String>,
    child: Child,
    log: PathBuf,
}

impl Server {
    pub fn start(binary: &Path, data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self> {
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
            let find = |name: &str| word(&said, name);
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

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its metrics, as Prometheus gets them.
    pub fn metrics(&self) -> Result<String> {
        get(self.metrics_address.as_deref().context("a server without metrics")?, "/metrics")
    }
}

/// The first word of a name in a log of JSON lines; addresses have nothing to unescape.
fn word(log: &str, name: &str) -> Option<String> {
    let (_, rest) = log.split_once(&format!("\"{name}\":\""))?;
    rest.split_once('"').map(|(word, _)| word.to_owned())
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
pub struct Stage {
    child: Child,
    /// What the tests find them by.
    pub environment: Vec<(String, String)>,
}

impl Stage {
    pub fn set(profile: Profile, binary: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(self::program(profile, "stage"));
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
    pub fn database(&self, name: &str) -> Result<String> {
        let cluster = self.environment.iter().find(|(name, _)| name == "KEEPWARD_TEST_POSTGRES");
        let (_, cluster) = cluster.context("a stage without PostgreSQL")?;
        let made = Command::new(program(Profile::Release, "load")).args(["create", cluster, name]).status()?;
        if !made.success() {
            bail!("the database {name} can't be made");
        }
        Ok(format!("{cluster}{name}"))
    }

    /// The address of the server, or of what stands before several.
    pub fn url(&self) -> Result<&str> {
        let found = self.environment.iter().find(|(name, _)| name == "KEEPWARD_TEST_URL");
        found.map(|(_, url)| url.as_str()).context("a stage without a server")
    }
}

impl Stage {
    /// Ends it; fails if it found something to say against the run.
    pub fn end(mut self) -> Result<()> {
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
pub struct TemporaryFolder(pub PathBuf);

impl TemporaryFolder {
    pub fn new(name: &str) -> Result<Self> {
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
