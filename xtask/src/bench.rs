//! `cargo xtask bench`: what a read and a write cost, beside a bare dropshot route in the same run.

use crate::run::{Profile, Server, Stage, TemporaryFolder, build, target_folder};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

pub(crate) fn bench() -> Result<()> {
    let binary = build(Profile::Bench)?;
    let release = target_folder().join("release");
    let folder = TemporaryFolder::new("bench")?;
    let data = folder.0.join("data");
    let settings = [("KEEPWARD_RATE_LIMIT", "off")];
    // The first start makes the database; the second is the one that is measured.
    drop(Server::start(&binary, &data, &settings)?);
    let server = Server::start(&binary, &data, &settings)?;
    let idle = resident_megabytes(server.pid())?;
    println!("{:<26}{:>12}{:>10}{:>10}{:>12}", "32 connections", "per second", "p50 ms", "p99 ms", "of bare");
    let bare_server = Server::start(&release.join("examples/bare"), &data, &[])?;
    let mut results = load(&release, "bare", "bare", &bare_server.url, None)?;
    drop(bare_server);
    let bare = results.first().map_or(0.0, |result| number(result, "per_second"));
    results.extend(load(&release, "sqlite", "vault", &server.url, Some(bare))?);
    let loaded = resident_megabytes(server.pid())?;
    let start_milliseconds = server.start_milliseconds;
    drop(server);
    // One PostgreSQL that keeps what it acknowledged, on the same cores; one server on it, then two.
    for (name, stage) in [("postgres", "postgres"), ("two servers", "pair")] {
        let stage = Stage::set(Profile::Bench, &binary, &[stage, "durable"])?;
        results.extend(load(&release, name, "vault", stage.url()?, Some(bare))?);
    }
    println!("start to listening        {start_milliseconds:>9.0} ms");
    println!("resident, idle            {idle:>9.1} MB");
    println!("resident, after load      {loaded:>9.1} MB");
    let size = std::fs::metadata(&binary)?.len();
    println!("binary, not stripped      {:>9.1} MB", size as f64 / 1e6);
    let summary = json!({
        "results": results, "start_ms": start_milliseconds, "idle_mb": idle, "loaded_mb": loaded, "binary_bytes": size,
    });
    let file = target_folder().join("bench.json");
    std::fs::write(&file, serde_json::to_string_pretty(&summary)?)?;
    println!("written to {}", file.display());
    Ok(())
}

fn number(result: &Value, key: &str) -> f64 {
    result[key].as_f64().unwrap_or(0.0)
}

/// Loads a server and prints what came out, beside the bare rate of the same run.
fn load(release: &Path, on: &str, what: &str, url: &str, bare: Option<f64>) -> Result<Vec<Value>> {
    let output = Command::new(release.join("load")).args([what, url]).output().context("load")?;
    if !output.status.success() {
        bail!("load {what}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut results = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut result: Value = serde_json::from_str(line).context("a measurement")?;
        let name = result["name"].as_str().unwrap_or_default();
        let name = if name == on { name.to_owned() } else { format!("{on}, {name}") };
        let rate = number(&result, "per_second");
        let part = bare.map(|bare| format!("1/{:.1}", bare / rate)).unwrap_or_default();
        let (p50, p99) = (number(&result, "p50_ms"), number(&result, "p99_ms"));
        println!("{name:<26}{rate:>12}{p50:>10.2}{p99:>10.2}{part:>12}");
        result["name"] = name.into();
        results.push(result);
    }
    Ok(results)
}

fn resident_megabytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1000.0)
}
