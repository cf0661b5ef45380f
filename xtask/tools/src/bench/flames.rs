//! Flame graphs: where the processor time of a running server goes.

use anyhow::{Context, Result, bail};
use inferno::collapse::{Collapse, perf::Folder};
use inferno::flamegraph::{Options, from_reader};
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// Watches a process for some seconds with `perf` and draws what it saw.
pub(super) fn draw(pid: u32, title: &str, folder: &Path, svg: &Path) -> Result<()> {
    let (data, script, stacks) = (folder.join("perf.data"), folder.join("perf.txt"), folder.join("stacks.txt"));
    let mut record = Command::new("perf");
    record.args(["record", "-q", "-F", "499", "--call-graph", "dwarf,16384", "-p", &pid.to_string(), "-o"]).arg(&data);
    if !record.args(["--", "sleep", "4"]).status().context("perf (Debian's package linux-perf)")?.success() {
        bail!("perf record failed");
    }
    let out = File::create(&script)?;
    let mut print = Command::new("perf");
    if !print.arg("script").arg("--no-inline").arg("-i").arg(&data).stdout(out).status()?.success() {
        bail!("perf script failed");
    }
    Folder::default()
        .collapse_file(Some(&script), File::create(&stacks)?)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut options = Options::default();
    options.title = format!("keepward-server, {title}, 32 connections");
    options.min_width = 0.4;
    from_reader(&mut options, File::open(&stacks)?, File::create(svg)?).map_err(|error| anyhow::anyhow!("{error}"))
}
