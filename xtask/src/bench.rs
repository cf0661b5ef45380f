//! `cargo xtask bench`: what a read and a write cost, beside a bare dropshot route in the same run.

use crate::run::{Profile, Server, TemporaryFolder, build, target_folder};
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
    let bare = Server::start(&release.join("examples/bare"), &data, &[])?;
    let mut results = load(&release, "bare", &bare.url)?;
    drop(bare);
    results.extend(load(&release, "vault", &server.url)?);
    let loaded = resident_megabytes(server.pid())?;
    let rate =
        |name: &str| results.iter().find(|r| r["name"] == name).and_then(|r| r["per_second"].as_f64()).unwrap_or(0.0);
    let part = |name: &str| format!("1/{:.1}", rate("bare") / rate(name));
    println!("{:<24}{:>12}{:>10}{:>10}{:>12}", "32 connections", "per second", "p50 ms", "p99 ms", "of bare");
    for result in &results {
        let name = result["name"].as_str().unwrap_or_default();
        println!(
            "{name:<24}{:>12}{:>10.2}{:>10.2}{:>12}",
            rate(name),
            number(result, "p50_ms"),
            number(result, "p99_ms"),
            part(name)
        );
    }
    println!("start to listening      {:>9.0} ms", server.start_milliseconds);
    println!("resident, idle          {idle:>9.1} MB");
    println!("resident, after load    {loaded:>9.1} MB");
    let size = std::fs::metadata(&binary)?.len();
    println!("binary, not stripped    {:>9.1} MB", size as f64 / 1e6);
    let summary = json!({
        "results": results, "start_ms": server.start_milliseconds, "idle_mb": idle, "loaded_mb": loaded, "binary_bytes": size,
    });
    let file = target_folder().join("bench.json");
    std::fs::write(&file, serde_json::to_string_pretty(&summary)?)?;
    println!("written to {}", file.display());
    Ok(())
}

fn number(result: &Value, key: &str) -> f64 {
    result[key].as_f64().unwrap_or(0.0)
}

fn load(release: &Path, what: &str, url: &str) -> Result<Vec<Value>> {
    let output = Command::new(release.join("load")).args([what, url]).output().context("load")?;
    if !output.status.success() {
        bail!("load {what}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let lines = String::from_utf8(output.stdout)?;
    lines.lines().map(|line| serde_json::from_str(line).context("a measurement")).collect()
}

fn resident_megabytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1000.0)
}
