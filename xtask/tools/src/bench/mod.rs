//! `cargo xtask bench`: every figure of the design, beside a bare dropshot route in the same run.

mod flames;
mod plots;
mod report;
mod sdk;

pub(crate) use report::{between_marks, machine};
pub(crate) use sdk::sdk;

use crate::process::resident_megabytes;
use crate::root;
use crate::run::{Profile, SERVED, Server, Stage, TemporaryFolder, build, target_folder};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Events of the large trail.
const EVENTS: &str = "10000000";
/// Connections of the curves, at most.
const CONNECTIONS: &str = "1024";
/// Connections that do nothing.
const IDLE: &str = "10000";

/// What was measured, in the order in which it was.
#[derive(Default)]
struct Results(Vec<Value>);

/// The parts of a run; `cargo xtask bench PART` runs one of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Main,
    Curves,
    Growth,
}

/// Runs all parts, or the named one. `record` writes docs/performance/: the figures, and plots drawn from them.
pub(crate) fn bench(part: Option<&str>, record: bool) -> Result<()> {
    let parts = match part {
        None => vec![Part::Main, Part::Curves, Part::Growth],
        Some("main") => vec![Part::Main],
        Some("curves") => vec![Part::Curves],
        Some("growth") => vec![Part::Growth],
        Some(other) => bail!("no part {other}: main, curves or growth"),
    };
    let binary = build(Profile::Release, &measured())?;
    let folder = TemporaryFolder::new("bench")?;
    let mut results = Results::default();
    let mut process = json!({});
    let bare = Server::start(&program("examples/bare"), &folder.0.join("bare"), &[])?;
    match parts.contains(&Part::Main) {
        true => process = main_job(&binary, &folder.0, &bare.url, &mut results)?,
        false => results.load("bare", &["bare", &bare.url])?,
    }
    drop(bare);
    if parts.contains(&Part::Curves) {
        curves(&binary, &folder.0, &mut results)?;
    }
    if parts.contains(&Part::Growth) {
        growth(&binary, &folder.0, &mut results)?;
    }
    let summary = json!({"machine": report::machine()?, "process": process, "results": results.0});
    let text = serde_json::to_string_pretty(&summary)? + "\n";
    std::fs::write(target_folder().join("bench.json"), &text)?;
    print!("{}", report::tables(&summary));
    if record {
        let docs = root().join("docs/performance");
        std::fs::create_dir_all(&docs)?;
        std::fs::write(docs.join("bench.json"), &text)?;
        plots::draw(&summary, &docs)?;
        let page = root().join("docs/performance.md");
        let text = report::between_marks(&std::fs::read_to_string(&page)?, "bench", &report::tables(&summary))?;
        std::fs::write(page, text)?;
    }
    let open = report::below_floor(&summary, &parts);
    if open.is_empty() { Ok(()) } else { bail!("below the floor: {}", open.join("; ")) }
}

/// `cargo xtask flames`: flame graphs of a read and of a write, into docs/performance/.
pub(crate) fn flames() -> Result<()> {
    let binary = build(Profile::Release, &measured())?;
    let folder = TemporaryFolder::new("flames")?;
    let cluster = Stage::set(Profile::Release, &binary, &["cluster", "durable"])?;
    let database = cluster.database("flames")?;
    let docs = root().join("docs/performance");
    std::fs::create_dir_all(&docs)?;
    for (on, database) in [("sqlite", None), ("postgres", Some(database.as_str()))] {
        let mut settings = vec![LIMITS_OFF];
        settings.extend(database.map(|url| ("KEEPWARD_DATABASE_URL", url)));
        let server = Server::start(&binary, &folder.0.join(on), &settings)?;
        for what in ["read", "write"] {
            let load = Command::new(program("load")).args([what, &server.url, "9"]).stdout(Stdio::null()).spawn();
            let mut load = load.context("load")?;
            std::thread::sleep(std::time::Duration::from_secs(3));
            flames::draw(
                server.pid(),
                &format!("a {what} on {on}"),
                &folder.0,
                &docs.join(format!("{what}-{on}.svg")),
            )?;
            ensure!(load.wait()?.success(), "the load failed: the graph is of something else");
        }
    }
    Ok(())
}

/// What a bench runs.
fn measured() -> Vec<&'static str> {
    [SERVED, &["--example", "bare"]].concat()
}

fn program(name: &str) -> PathBuf {
    crate::run::program(Profile::Release, name)
}

impl Results {
    /// Runs the load generator and takes what it prints.
    fn load(&mut self, on: &str, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(program("load"));
        let mut load = command.args(arguments).stdout(Stdio::piped()).spawn().context("load")?;
        for line in BufReader::new(load.stdout.take().context("stdout")?).lines() {
            let mut result: Value = serde_json::from_str(&line?).context("a measurement")?;
            if result["on"].is_null() {
                result["on"] = on.into();
            }
            println!("{}", report::line(&result));
            self.0.push(result);
        }
        if !load.wait()?.success() {
            bail!("load {arguments:?} failed");
        }
        Ok(())
    }
}

const LIMITS_OFF: (&str, &str) = ("KEEPWARD_RATE_LIMIT", "off");

/// Reads, writes and what goes with them: on SQLite, on PostgreSQL, on two servers; and what the process takes.
fn main_job(binary: &Path, folder: &Path, bare: &str, results: &mut Results) -> Result<Value> {
    let data = folder.join("main");
    // The first start makes the database; the second is the one that is measured.
    drop(Server::start(binary, &data, &[LIMITS_OFF])?);
    let server = Server::start(binary, &data, &[LIMITS_OFF])?;
    let idle = resident_megabytes(server.pid())?;
    results.load("SQLite", &["vault", &server.url, bare])?;
    let loaded = resident_megabytes(server.pid())?;
    let start = server.start_milliseconds;
    drop(server);
    let with_idle = idle_connections(binary, &data)?;
    // One PostgreSQL that keeps what it acknowledged, on the same cores; one server on it, then two.
    for (on, stage) in [("PostgreSQL", "postgres"), ("two servers", "pair")] {
        let stage = Stage::set(Profile::Release, binary, &[stage, "durable"])?;
        results.load(on, &["vault", stage.url()?])?;
    }
    let stripped = folder.join("stripped");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(binary).status();
    if !strip.is_ok_and(|status| status.success()) {
        bail!("`strip` (binutils) is needed to measure the binary");
    }
    let megabytes = std::fs::metadata(&stripped)?.len() as f64 / 1e6;
    Ok(json!({
        "start_ms": start, "idle_mb": idle, "loaded_mb": loaded, "idle_connections": with_idle, "binary_mb": megabytes,
    }))
}

/// What many connections take that do nothing.
fn idle_connections(binary: &Path, data: &Path) -> Result<Value> {
    let server = Server::start(binary, data, &[LIMITS_OFF])?;
    let mut load = Command::new(program("load"));
    let load = load.args(["idle", &server.url, IDLE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut load = load.spawn().context("load")?;
    let mut said = String::new();
    BufReader::new(load.stdout.take().context("stdout")?).read_line(&mut said)?;
    let mut result: Value = serde_json::from_str(&said).context("the connections could not be opened (ulimit -n?)")?;
    result["resident_mb"] = resident_megabytes(server.pid())?.into();
    drop(load.stdin.take());
    ensure!(load.wait()?.success(), "the connections were not kept");
    Ok(result)
}

fn curves(binary: &Path, folder: &Path, results: &mut Results) -> Result<()> {
    let server = Server::start(binary, &folder.join("curves"), &[LIMITS_OFF])?;
    results.load("SQLite", &["curves", &server.url, CONNECTIONS])?;
    drop(server);
    for (on, stage) in [("PostgreSQL", "postgres"), ("two servers", "pair")] {
        let stage = Stage::set(Profile::Release, binary, &[stage, "durable"])?;
        results.load(on, &["curves", stage.url()?, CONNECTIONS])?;
    }
    Ok(())
}

/// The same requests on a server with little in it and on one with much, in turns.
fn growth(binary: &Path, folder: &Path, results: &mut Results) -> Result<()> {
    for on in ["SQLite", "PostgreSQL"] {
        let cluster = match on {
            "PostgreSQL" => Some(Stage::set(Profile::Release, binary, &["cluster", "durable"])?),
            _ => None,
        };
        let (state, large) = (folder.join(format!("{on}.json")), folder.join(format!("{on}-large")));
        let small = folder.join(format!("{on}-small"));
        let database = |data: &Path, name: &str| match &cluster {
            Some(cluster) => cluster.database(name),
            None => Ok(format!("sqlite://{}", data.join("keepward.db").display())),
        };
        let (large_database, small_database) = (database(&large, "large")?, database(&small, "small")?);
        let start = |data: &Path, url: &str| {
            let mut settings = vec![LIMITS_OFF];
            settings.extend(cluster.as_ref().map(|_| ("KEEPWARD_DATABASE_URL", url)));
            Server::start(binary, data, &settings)
        };
        let state = state.display().to_string();
        println!("-- {on}: filling a large server");
        let server = start(&large, &large_database)?;
        results.load(on, &["grow", &server.url, &state])?;
        drop(server);
        results.load(on, &["events", &large_database, &state, EVENTS])?;
        let (small, large_server) = (start(&small, &small_database)?, start(&large, &large_database)?);
        results.load(on, &["compare", &small.url, &large_server.url, &state])?;
        drop((small, large_server));
        let _ = std::fs::remove_dir_all(large);
    }
    Ok(())
}
