//! `cargo xtask soak`: what takes longer than a test run may: hundreds of kills, and a long mixed load.

use crate::bench::{between_marks, machine};
use crate::process::{open_files, resident_megabytes, threads};
use crate::root;
use crate::run::{Profile, SERVED, Server, Stage, TemporaryFolder, build, cargo_said, program, target_folder};
use crate::test::get_packages;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// `kill -9` of the server on each database, and of PostgreSQL.
const SERVER_KILLS: u32 = 200;
const POSTGRES_KILLS: u32 = 50;
/// Of the mixed load, a second.
const RATE: &str = "400";
const SAMPLE: Duration = Duration::from_secs(10);

/// How much more memory may be resident after an hour, in MB: what a process keeps anyway moves by some.
const MOST_GROWTH: f64 = 5.0;

/// How long the mixed load lasts on each database.
const LOADED: Duration = Duration::from_secs(60 * 60);

/// How many more files may be open in the last third than in the second, by the middle of each: a client's connections come
/// and go.
const MOST_FILES: f64 = 5.0;
/// How much longer a unit may wait for its transaction in the last third than in the second.
const MOST_WAIT: f64 = 2.0;
/// What is waited anyway on a machine that does other things, in ms.
const USUAL_WAIT: f64 = 5.0;

/// Everything, or what `parts` name: `kills`, `sqlite`, `postgres` (mixed load on that database). `record` writes what was
/// seen into docs/performance.md.
pub(crate) fn soak(parts: &[&str], record: bool) -> Result<()> {
    const ALL: [&str; 3] = ["kills", "sqlite", "postgres"];
    let parts = if parts.is_empty() { &ALL } else { parts };
    if let Some(other) = parts.iter().find(|part| !ALL.contains(part)) {
        bail!("no part {other}: kills, sqlite or postgres");
    }
    // As it is now: others may go on working here meanwhile.
    let folder = TemporaryFolder::new("soak")?;
    let (built, binary) = (build(Profile::Release, SERVED)?, folder.0.join("keepward-server"));
    std::fs::copy(built, &binary)?;
    let machine = machine()?;
    for part in parts {
        let mut seen = match *part {
            "kills" => kills(&binary)?,
            part => load(&binary, part, LOADED)?,
        };
        seen["machine"] = machine.clone();
        if record {
            self::record(part, seen)?;
        }
    }
    Ok(())
}

/// Keeps what was seen, and writes the table of all that was.
fn record(part: &str, seen: Value) -> Result<()> {
    let file = root().join("docs/performance/soak.json");
    let mut all: BTreeMap<String, Value> = match std::fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => BTreeMap::new(),
    };
    all.insert(part.to_owned(), seen);
    std::fs::write(file, serde_json::to_string(&all)? + "\n")?;
    let page = root().join("docs/performance.md");
    let text = between_marks(&std::fs::read_to_string(&page)?, "soak", &table(&all))?;
    Ok(std::fs::write(page, text)?)
}

fn table(all: &BTreeMap<String, Value>) -> String {
    let mut text = "| what | how much | seen | commit |\n|---|---|---|---|\n".to_owned();
    for (part, seen) in all {
        let changes = if seen["machine"]["changed"] == true { " and changes" } else { "" };
        let commit = format!("{}{changes}", seen["machine"]["commit"].as_str().unwrap_or_default());
        for run in seen["runs"].as_array().into_iter().flatten() {
            let of = |key: &str| run[key].as_str().unwrap_or_default();
            let line = format!(
                "| {} | {} kills in {} s | nothing acknowledged was lost, every chain is whole | {commit} |\n",
                of("what"),
                run["kills"],
                run["seconds"]
            );
            text += &line;
        }
        if part != "kills" {
            let of = |key: &str, n: usize| seen[key][n].as_f64().unwrap_or_default();
            let (least, most) = (of("megabytes", 0), of("megabytes", 1));
            let slope = seen["megabytes_an_hour"].as_f64().unwrap_or_default();
            let line = format!(
                "| mixed load, {part} | {} minutes, {} requests | resident {least:.1} to {most:.1} MB in the last third, {slope:+.1} MB an hour; {:.0} to {:.0} files; a unit waits {} ms; slowest answer {} ms | {commit} |\n",
                seen["minutes"],
                seen["requests"],
                of("files", 0),
                of("files", 1),
                seen["commit_wait_ms"],
                seen["answers"]["max_ms"],
            );
            text += &line;
        }
    }
    text
}

/// The tests that kill, with more kills: the same judge, the client's own synced log.
fn kills(binary: &Path) -> Result<Value> {
    get_packages()?;
    build(Profile::Dev, SERVED)?;
    let runs = [
        ("sqlite", "faults::kill::acknowledged_writes_and_events_survive_kills", SERVER_KILLS),
        ("postgres", "faults::kill::acknowledged_writes_and_events_survive_kills", SERVER_KILLS),
        ("postgres", "faults::postgres::a_postgres_that_stops_and_is_killed_loses_nothing", POSTGRES_KILLS),
    ];
    let mut seen = Vec::new();
    for (stage, name, kills) in runs {
        println!("== {kills} kills, {stage}: {name}");
        let set = Stage::set(Profile::Dev, binary, &[stage])?;
        let mut environment = set.environment.clone();
        environment.push(("KEEPWARD_TEST_KILLS".to_owned(), kills.to_string()));
        let test = ["test", "--locked", "--workspace", "--test", "all", "--", "--exact", name];
        let begun = Instant::now();
        let said = cargo_said(&test, &environment)?;
        // A test of another name would be none, and pass.
        ensure!(said.contains("test result: ok. 1 passed"), "{name} did not run: {said}");
        let seconds = begun.elapsed().as_secs();
        println!("{kills} kills in {seconds} s: nothing acknowledged was lost, chains are whole");
        let what = match name.starts_with("faults::postgres") {
            true => "`kill -9` of PostgreSQL".to_owned(),
            false => format!("`kill -9` of the server, {stage}"),
        };
        seen.push(json!({"what": what, "kills": kills, "seconds": seconds}));
    }
    Ok(json!({"runs": seen}))
}

/// A mixed load on one server; memory, files, threads and what waits, every ten seconds.
fn load(binary: &Path, stage: &str, duration: Duration) -> Result<Value> {
    let folder = TemporaryFolder::new(&format!("soak-{stage}"))?;
    let cluster = match stage {
        "postgres" => Some(Stage::set(Profile::Release, binary, &["cluster", "durable"])?),
        _ => None,
    };
    let database = cluster.as_ref().map(|cluster| cluster.database("soak")).transpose()?;
    let mut settings = vec![("KEEPWARD_RATE_LIMIT", "off"), ("KEEPWARD_METRICS_LISTEN", "127.0.0.1:0")];
    settings.extend(database.as_deref().map(|url| ("KEEPWARD_DATABASE_URL", url)));
    let server = Server::start(binary, &folder.0.join("data"), &settings)?;
    println!("== mixed load, {stage}, {} minutes, {RATE} requests a second", duration.as_secs() / 60);
    let mut load = Command::new(program(Profile::Release, "load"));
    load.args(["mixed", &server.url, &duration.as_secs().to_string(), RATE]).stdout(Stdio::piped());
    let mut load = load.spawn().context("load")?;
    let (begun, mut samples) = (Instant::now(), Vec::new());
    println!(
        "{:>8}{:>12}{:>8}{:>9}{:>9}{:>14}",
        "seconds", "resident MB", "files", "threads", "in work", "commit wait ms"
    );
    let mut waits = (0.0, 0.0);
    while load.try_wait()?.is_none() {
        std::thread::sleep(SAMPLE);
        let metrics = match server.metrics() {
            Ok(metrics) => metrics,
            Err(_) if load.try_wait()?.is_some() => break,
            Err(error) => {
                let _ = (load.kill(), load.wait());
                return Err(error.context("the server's metrics"));
            }
        };
        let of = |name: &str| value(&metrics, name);
        let now = (of("keepward_commit_wait_seconds_sum"), of("keepward_commit_wait_seconds_count"));
        let wait = (now.0 - waits.0) / (now.1 - waits.1).max(1.0) * 1000.0;
        waits = now;
        let sample = Sample {
            seconds: begun.elapsed().as_secs_f64(),
            megabytes: resident_megabytes(server.pid())?,
            files: open_files(server.pid())?,
            threads: threads(server.pid())?,
            in_work: of("keepward_http_requests_in_work"),
            wait,
        };
        if samples.len() % 12 == 0 {
            println!("{sample}");
        }
        samples.push(sample);
    }
    let output = load.wait_with_output()?;
    if !output.status.success() {
        bail!("the load found an answer that is not as it should be");
    }
    let answers: Value = serde_json::from_slice(&output.stdout)?;
    println!("{answers}");
    let left = value(&server.metrics()?, "keepward_http_requests_in_work");
    ensure!(left == 0.0, "{left} requests are in work, and nobody waits for them");
    let third = samples.len() / 3;
    ensure!(third > 0, "nothing was measured");
    // In the first third caches fill.
    let (before, steady) = samples[third..].split_at(third);
    let tenths = |figure: f64| (figure * 10.0).round() / 10.0;
    let slope = tenths(slope(steady) * 3600.0);
    let most = |of: fn(&Sample) -> f64| steady.iter().map(of).fold(0.0, f64::max);
    let least = |of: fn(&Sample) -> f64| steady.iter().map(of).fold(f64::MAX, f64::min);
    let waits = [before, steady].map(|samples| tenths(middle(samples, |s| s.wait)));
    let files = [before, steady].map(|samples| middle(samples, |s| s.files as f64));
    let requests: u64 =
        answers["answers"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    let summary = json!({
        "stage": stage, "minutes": duration.as_secs() / 60, "rate": RATE, "requests": requests,
        "megabytes_an_hour": slope,
        "megabytes": [tenths(least(|s| s.megabytes)), tenths(most(|s| s.megabytes))],
        "files": [least(|s| s.files as f64), most(|s| s.files as f64)],
        "threads": [least(|s| s.threads as f64), most(|s| s.threads as f64)],
        "files_in_the_middle": files,
        "commit_wait_ms": waits[1],
        "in_work": [least(|s| s.in_work), most(|s| s.in_work)],
        "answers": answers,
        "samples": samples.iter().map(|s| json!([s.seconds.round(), s.megabytes, s.files])).collect::<Vec<_>>(),
    });
    println!("resident memory {slope:+.2} MB an hour, {} to {} files", summary["files"][0], summary["files"][1]);
    std::fs::write(target_folder().join(format!("soak-{stage}.json")), serde_json::to_string_pretty(&summary)?)?;
    ensure!(slope <= MOST_GROWTH, "resident memory grows by {slope:.1} MB an hour");
    ensure!(files[1] <= files[0] + MOST_FILES, "files stay open: {files:?}");
    ensure!(waits[1] <= USUAL_WAIT.max(waits[0] * MOST_WAIT), "units wait longer and longer: {waits:?} ms");
    let asked = RATE.parse::<f64>()? * duration.as_secs_f64();
    ensure!(requests as f64 >= asked * 0.99, "{requests} of {asked} requests were made: the others waited");
    Ok(summary)
}

/// The middle of a figure of all samples.
fn middle(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let mut figures: Vec<f64> = samples.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

struct Sample {
    seconds: f64,
    megabytes: f64,
    files: usize,
    threads: usize,
    in_work: f64,
    wait: f64,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seconds, megabytes, files, threads, in_work, wait } = self;
        write!(f, "{seconds:>8.0}{megabytes:>12.1}{files:>8}{threads:>9}{in_work:>9.0}{wait:>14.2}")
    }
}

/// Of a Prometheus text.
fn value(metrics: &str, name: &str) -> f64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or(0.0)
}

/// Megabytes a second, by least squares.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|s| s.seconds), mean(|s| s.megabytes));
    let above: f64 = samples.iter().map(|s| (s.seconds - x) * (s.megabytes - y)).sum();
    let below: f64 = samples.iter().map(|s| (s.seconds - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_of_a_line() {
        let sample = |n: u32| Sample {
            seconds: f64::from(n),
            megabytes: 5.0 + 0.25 * f64::from(n),
            files: 0,
            threads: 0,
            in_work: 0.0,
            wait: 0.0,
        };
        let samples: Vec<Sample> = (0..10).map(sample).collect();
        assert!((slope(&samples) - 0.25).abs() < 1e-9);
        assert_eq!(slope(&[]), 0.0);
    }
}
