//! Tables of what was measured, and the floors of the design.

use super::Part;
use crate::page;
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::Command;

fn number(result: &Value, key: &str) -> f64 {
    result[key].as_f64().unwrap_or(0.0)
}

/// Where it was measured: what makes one run unlike another.
pub(crate) fn machine() -> Result<Value> {
    let of = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(crate::root()).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    Ok(json!({
        "processor": of("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism()?.get(),
        "memory": of("/proc/meminfo", "MemTotal"),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "commit": git(&["rev-parse", "--short", "HEAD"]),
        "changed": !git(&["status", "--porcelain"]).is_empty(),
        "date": git(&["log", "-1", "--format=%cs"]),
    }))
}

/// One measurement as it comes.
pub(super) fn line(result: &Value) -> String {
    let (on, name) = (result["on"].as_str().unwrap_or_default(), result["name"].as_str().unwrap_or_default());
    match result["times"].as_f64() {
        Some(times) => {
            format!("{on:<12}{name:<40}{:>10}/s, {times} times the small case", number(result, "per_second"))
        }
        None => format!(
            "{on:<12}{name:<28}{:>6} connections{:>9}/s ({} to {}){:>9.2} ms p50{:>9.2} ms p99",
            number(result, "connections"),
            number(result, "per_second"),
            number(result, "least"),
            number(result, "most"),
            number(result, "p50_ms"),
            number(result, "p99_ms"),
        ),
    }
}

/// The floors and goals of the design that depend on nothing else in the run.
const FLOORS: [(&str, &str, f64, f64); 4] = [
    ("SQLite", "write", 3_000.0, 5_000.0),
    ("PostgreSQL", "read", 2_500.0, 5_000.0),
    ("PostgreSQL", "write", 1_250.0, 2_500.0),
    ("SQLite", "read", 12_000.0, 20_000.0),
];
/// Of the bare rate, for reads on SQLite: whichever of this and the rate above is lower.
const READ_FLOOR: f64 = 1.0 / 7.0;
const READ_GOAL: f64 = 1.0 / 4.0;
/// How many comparisons of a large server with a small one there are on each database.
const COMPARISONS: usize = 7;
/// How much slower a single read, or a list of as much, may be when there is much more of everything.
const MOST_TIMES: f64 = 1.3;

fn find<'a>(summary: &'a Value, on: &str, name: &str) -> Option<&'a Value> {
    let results = summary["results"].as_array()?;
    results.iter().find(|result| result["on"] == on && result["name"] == name)
}

fn bare(summary: &Value) -> f64 {
    find(summary, "bare", "bare").map_or(0.0, |bare| number(bare, "per_second"))
}

/// The floor and the goal of a measurement, if the design has one.
fn bounds(summary: &Value, on: &str, name: &str) -> Option<(f64, f64)> {
    let (_, _, floor, goal) = FLOORS.iter().find(|bounds| (bounds.0, bounds.1) == (on, name))?;
    match (on, name) {
        ("SQLite", "read") => Some((floor.min(bare(summary) * READ_FLOOR), goal.min(bare(summary) * READ_GOAL))),
        _ => Some((*floor, *goal)),
    }
}

/// What is below its floor, or should have been measured and was not.
pub(super) fn below_floor(summary: &Value, parts: &[Part]) -> Vec<String> {
    let mut open = Vec::new();
    for (on, name, ..) in FLOORS.iter().filter(|_| parts.contains(&Part::Main)) {
        let rate = find(summary, on, name).map_or(0.0, |result| number(result, "per_second"));
        if let Some((floor, _)) = bounds(summary, on, name)
            && (rate < floor || rate == 0.0)
        {
            open.push(format!("{on} {name}: {rate} of {floor:.0}"));
        }
    }
    let compared = summary["results"].as_array().into_iter().flatten().filter(|result| !result["times"].is_null());
    if parts.contains(&Part::Growth) && compared.count() < 2 * COMPARISONS {
        open.push("not every comparison of growth was made".to_owned());
    }
    for result in summary["results"].as_array().into_iter().flatten() {
        if number(result, "times") > MOST_TIMES {
            open.push(format!("{} {}: {} times", result["on"], result["name"], number(result, "times")));
        }
    }
    let process = &summary["process"];
    if parts.contains(&Part::Main) && number(&process["idle_connections"], "resident_mb") == 0.0 {
        open.push("idle connections were not measured".to_owned());
    }
    let figures = [("start_ms", 100.0), ("idle_mb", 40.0), ("binary_mb", 40.0)];
    for (key, most) in figures.iter().filter(|_| parts.contains(&Part::Main)) {
        if process[*key].as_f64().is_none_or(|figure| figure >= *most) {
            open.push(format!("{key}: {} of less than {most}", number(process, key)));
        }
    }
    open
}

/// Everything as Markdown.
pub(super) fn tables(summary: &Value) -> String {
    let mut text = String::new();
    let machine = &summary["machine"];
    let _ = writeln!(
        text,
        "{}, {} cores, {}, Linux {}; commit {}{}.\n",
        machine["processor"].as_str().unwrap_or_default(),
        machine["cores"],
        machine["memory"].as_str().unwrap_or_default(),
        machine["kernel"].as_str().unwrap_or_default(),
        machine["commit"].as_str().unwrap_or_default(),
        if machine["changed"] == true { " and changes" } else { "" },
    );
    let results: Vec<&Value> = summary["results"].as_array().into_iter().flatten().collect();
    text += "| where | what | connections | per second (spread) | p50 ms | p99 ms | of bare | floor | goal |\n|---|---|---|---|---|---|---|---|---|\n";
    for result in results.iter().filter(|result| result["times"].is_null()) {
        let (on, name) = (result["on"].as_str().unwrap_or_default(), result["name"].as_str().unwrap_or_default());
        let rate = number(result, "per_second");
        let (floor, goal) = bounds(summary, on, name)
            .map_or_else(Default::default, |(floor, goal)| (format!("{floor:.0}"), format!("{goal:.0}")));
        let spread = match (number(result, "least"), number(result, "most")) {
            (least, most) if least < most => format!(" ({least}–{most})"),
            _ => String::new(),
        };
        let of_bare = if rate > 0.0 { format!("1/{:.1}", bare(summary) / rate) } else { String::new() };
        let _ = writeln!(
            text,
            "| {on} | {name} | {} | {rate}{spread} | {:.2} | {:.2} | {of_bare} | {floor} | {goal} |",
            result["connections"],
            number(result, "p50_ms"),
            number(result, "p99_ms"),
        );
    }
    if results.iter().any(|result| !result["times"].is_null()) {
        text += "\n| where | what | small, per second | large, per second | times slower (spread) |\n|---|---|---|---|---|\n";
    }
    for result in results.iter().filter(|result| !result["times"].is_null()) {
        let (on, name) = (result["on"].as_str().unwrap_or_default(), result["name"].as_str().unwrap_or_default());
        let (small, large) = (number(result, "small_per_second"), number(result, "per_second"));
        let of = |key: &str| number(result, key);
        let spread = match (of("least_times"), of("most_times")) {
            (least, most) if least < most => format!(" ({least:.2}–{most:.2})"),
            _ => String::new(),
        };
        let times = format!("{:.2}{spread}", of("times"));
        let _ = writeln!(text, "| {on} | {name} | {small} | {large} | {times} |");
    }
    let process = &summary["process"];
    if !process["start_ms"].is_null() {
        let _ = writeln!(
            text,
            "\nStart to the first answer: {:.0} ms. Resident: idle {:.1} MB, after the load {:.1} MB, with {} idle connections {:.1} MB. Binary, stripped: {:.1} MB.",
            number(process, "start_ms"),
            number(process, "idle_mb"),
            number(process, "loaded_mb"),
            process["idle_connections"]["connections"],
            number(&process["idle_connections"], "resident_mb"),
            number(process, "binary_mb"),
        );
    }
    text
}

/// A page with new figures in the place that is marked for them.
pub(crate) fn between_marks(text: &str, verb: &str, figures: &str) -> Result<String> {
    let begin = format!("<!-- figures: written by `cargo xtask {verb} --record` -->");
    page::between(text, &begin, "<!-- end of figures -->", figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_its_floor_or_missing_is_named() {
        let result = |on: &str, name: &str, rate: f64| json!({"on": on, "name": name, "per_second": rate});
        let idle = json!({"resident_mb": 250.0});
        let process = json!({"start_ms": 9, "idle_mb": 20.0, "binary_mb": 18.0, "idle_connections": idle});
        let good = json!({"process": process, "results": [
            result("bare", "bare", 42_000.0),
            result("SQLite", "read", 6_001.0),
            result("SQLite", "write", 3_000.0),
            result("PostgreSQL", "read", 2_500.0),
            result("PostgreSQL", "write", 1_250.0),
            json!({"on": "SQLite", "name": "read of one among the secrets", "times": 1.3}),
            json!({"on": "SQLite", "name": "list of 100 among the secrets", "times": 1.2}),
        ]});
        assert!(below_floor(&good, &[Part::Main]).is_empty());
        assert_eq!(below_floor(&good, &[Part::Main, Part::Growth]).len(), 1, "comparisons are missing");
        let bad = json!({"process": {"idle_mb": 41.0}, "results": [
            result("bare", "bare", 42_000.0),
            result("SQLite", "read", 5_999.0),
            result("SQLite", "write", 2_999.0),
            json!({"on": "PostgreSQL", "name": "read by one among the agents", "times": 1.31}),
        ]});
        // Two rates below, two rates and three figures missing, one too large, one too slow.
        let open = below_floor(&bad, &[Part::Main]);
        assert_eq!(open.len(), 9, "{open:?}");
        assert_eq!(below_floor(&json!({"results": []}), &[Part::Main]).len(), 8, "of nothing, all is missing");
    }
}
