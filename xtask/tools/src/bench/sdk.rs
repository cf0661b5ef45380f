//! `cargo xtask bench sdk`: a read through each SDK beside the same by hand; what importing takes; memory over many calls.

use super::program;
use super::report::{between_marks, machine};
use crate::root;
use crate::run::{Profile, target_folder};
use crate::sdk::{Scene, node, python};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// How many turns count, and the reads of each.
const ROUNDS: &str = "9";
const CALLS: &str = "1000";
/// How much longer than by hand a read may take.
const MOST_TIMES: f64 = 1.3;
/// How long importing a package may take, in milliseconds.
const MOST_IMPORT: f64 = 50.0;
/// How many bytes a call may leave behind: what a process keeps anyway moves by more than nothing.
const MOST_LEFT: f64 = 5.0;
/// V8 doubles what it keeps for young objects when enough of them have survived, up to 32 MiB, and gives none of it back: steps
/// that come after so many calls, whoever makes them. Held at its first size, what is left over is what a call leaves.
const YOUNG: &str = "--max-semi-space-size=1";
/// How often an import is timed.
const IMPORTS: usize = 21;

pub(crate) fn sdk(record: bool) -> Result<()> {
    let scene = Scene::set(Profile::Release)?;
    let prepared = said(Command::new(program("reads")).args(["prepare", &scene.server.url]))?;
    let prepared: serde_json::Map<String, Value> = serde_json::from_str(&prepared)?;
    let python = python::installed(&scene, &["httpx>=0.28,<1", "aiohttp>=3.11,<4"])?;
    let node = node::installed(&scene, &["undici@7"])?;
    for folder in ["bindings-python/benches", "bindings-node/benches"] {
        for file in std::fs::read_dir(root().join(folder))? {
            let file = file?.path();
            std::fs::copy(&file, node.join(file.file_name().context("a name")?))?;
        }
    }
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&node).env("KEEPWARD_URL", &scene.server.url);
        command.env("KEEPWARD_ROUNDS", ROUNDS).env("KEEPWARD_CALLS", CALLS);
        command.envs(prepared.iter().filter_map(|(name, value)| Some((name, value.as_str()?))));
        said(&mut command)
    };
    let nodejs = Path::new("node");
    let mut reads = Vec::new();
    for (program, arguments) in
        [(program("reads").as_path(), ["time"].as_slice()), (python.as_path(), &["read.py"]), (nodejs, &["read.mjs"])]
    {
        reads.extend(lines(&run(program, arguments)?)?);
    }
    let imports = json!({
        "Python": import(&|| run(&python, &["-c", "import time; a = time.perf_counter(); import keepward; print(time.perf_counter() - a)"]))?,
        "Node": import(&|| run(nodejs, &["-e", "const a = performance.now(); require('keepward'); console.log((performance.now() - a) / 1000)"]))?,
    });
    let mut samples = lines(&run(&python, &["memory.py"])?)?;
    samples.extend(lines(&run(nodejs, &["--expose-gc", YOUNG, "memory.mjs"])?)?);
    let summary = json!({"machine": machine()?, "reads": reads, "import_ms": imports, "memory": memory(&samples)});
    let (tables, open) = (tables(&summary), open(&summary));
    let text = serde_json::to_string_pretty(&summary)? + "\n";
    std::fs::write(target_folder().join("bench-sdk.json"), &text)?;
    print!("{tables}");
    if record {
        std::fs::write(root().join("docs/performance/sdk.json"), &text)?;
        let page = root().join("docs/performance.md");
        let text = between_marks(&std::fs::read_to_string(&page)?, "bench sdk", &tables)?;
        std::fs::write(page, text)?;
    }
    if open.is_empty() { Ok(()) } else { bail!("over the bound: {}", open.join("; ")) }
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

fn lines(said: &str) -> Result<Vec<Value>> {
    said.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// The middle of several, in milliseconds; each in a process of its own.
fn import(once: &dyn Fn() -> Result<String>) -> Result<f64> {
    let mut times = (0..IMPORTS).map(|_| Ok(once()?.trim().parse::<f64>()? * 1000.0)).collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[IMPORTS / 2])
}

/// For each client: its samples, and the slopes of their second half, in bytes a call.
fn memory(samples: &[Value]) -> Value {
    let mut clients: Vec<&str> = samples.iter().filter_map(|sample| sample["client"].as_str()).collect();
    clients.dedup();
    let one = |client: &str| {
        let own: Vec<&Value> = samples.iter().filter(|sample| sample["client"] == client).collect();
        let late = &own[own.len() / 2..];
        json!({
            "client": client,
            "resident_per_call": slope(late, "resident"),
            "heap_per_call": slope(late, "heap"),
            "samples": own,
        })
    };
    clients.into_iter().map(one).collect()
}

/// Of the line of least squares through what was sampled.
fn slope(samples: &[&Value], key: &str) -> f64 {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .map(|sample| (sample["calls"].as_f64().unwrap_or_default(), sample[key].as_f64().unwrap_or_default()))
        .collect();
    let count = points.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let over: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    over / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

fn items<'a>(summary: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    summary[key].as_array().into_iter().flatten()
}

fn open(summary: &Value) -> Vec<String> {
    let mut open = Vec::new();
    for read in items(summary, "reads").filter(|read| read["ratio"].as_f64().is_none_or(|ratio| ratio > MOST_TIMES)) {
        open.push(format!("{} against {}: {} times", read["what"], read["peer"], read["ratio"]));
    }
    for (language, time) in summary["import_ms"].as_object().into_iter().flatten() {
        if time.as_f64().is_none_or(|time| time >= MOST_IMPORT) {
            open.push(format!("import in {language}: {time} ms"));
        }
    }
    for client in items(summary, "memory") {
        for key in ["resident_per_call", "heap_per_call"] {
            if client[key].as_f64().is_none_or(|slope| slope > MOST_LEFT) {
                open.push(format!("{} {key}: {} bytes", client["client"], client[key]));
            }
        }
    }
    open
}

fn tables(summary: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let mut text = "| what | by hand with | SDK, µs a read | by hand, µs | times (spread) | at most |\n|---|---|---|---|---|---|\n".to_owned();
    for read in items(summary, "reads") {
        let ratios: Vec<f64> = items(read, "ratios").map(number).collect();
        let spread = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} | {:.2} ({:.2}–{:.2}) | {MOST_TIMES} |",
            read["what"].as_str().unwrap_or_default(),
            read["peer"].as_str().unwrap_or_default(),
            number(&read["ours"]),
            number(&read["theirs"]),
            number(&read["ratio"]),
            spread.0,
            spread.1,
        );
    }
    let import = &summary["import_ms"];
    let _ = writeln!(
        text,
        "\nImporting: {:.0} ms in Python, {:.0} ms in Node (less than {MOST_IMPORT:.0}).\n",
        number(&import["Python"]),
        number(&import["Node"]),
    );
    text += "| reads through | thousands | resident, MB, ten times on the way | heap, MB | left by a call, resident | heap |\n|---|---|---|---|---|---|\n";
    for client in items(summary, "memory") {
        let megabytes = |key: &str| {
            let values = items(client, "samples").map(|sample| format!("{:.1}", number(&sample[key]) / 1e6));
            values.collect::<Vec<_>>().join(" ")
        };
        let _ = writeln!(
            text,
            "| {} | {:.0} | {} | {} | {:.1} bytes | {:.1} bytes |",
            client["client"].as_str().unwrap_or_default(),
            items(client, "samples").last().map_or(0.0, |sample| number(&sample["calls"]) / 1e3),
            megabytes("resident"),
            megabytes("heap"),
            number(&client["resident_per_call"]),
            number(&client["heap_per_call"]),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_its_bound_is_named() {
        let samples: Vec<Value> =
            (0..=10).map(|n| json!({"client": "a", "calls": n * 10_000, "resident": n * 100_000, "heap": 7})).collect();
        let memory = memory(&samples);
        assert_eq!(memory[0]["resident_per_call"], 10.0);
        assert_eq!(memory[0]["heap_per_call"], 0.0);
        let read = |ratio: f64| json!({"what": "w", "peer": "p", "ratio": ratio});
        let summary =
            json!({"reads": [read(1.3), read(1.31)], "import_ms": {"Node": 50.0, "Python": 49.0}, "memory": memory});
        let open = open(&summary);
        assert!(open.len() == 3 && tables(&summary).contains("10.0 bytes"), "{open:?}");
    }
}
