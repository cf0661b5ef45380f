//! Plots of what was measured, drawn from the JSON of a run.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use serde_json::Value;
use std::path::Path;

type Points = Vec<(f64, f64)>;

/// One line of a plot.
struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Points,
}

const BLUE: RGBColor = RGBColor(38, 99, 176);
const ORANGE: RGBColor = RGBColor(214, 112, 28);
const GREEN: RGBColor = RGBColor(62, 140, 84);
const LIGHT_BLUE: RGBColor = RGBColor(140, 178, 222);
const LIGHT_ORANGE: RGBColor = RGBColor(238, 180, 130);

pub(super) fn draw(summary: &Value, folder: &Path) -> Result<()> {
    let by_connections = |on: &str, key: &str| {
        points(summary, on, |result| {
            let is_one = result["name"] == "read by connections";
            is_one.then(|| Some((result["connections"].as_f64()?, result[key].as_f64()?))).flatten()
        })
    };
    let lines = vec![
        Line { name: "SQLite", colour: BLUE, points: by_connections("SQLite", "per_second") },
        Line { name: "PostgreSQL", colour: ORANGE, points: by_connections("PostgreSQL", "per_second") },
        Line { name: "two servers", colour: GREEN, points: by_connections("two servers", "per_second") },
    ];
    plot(&folder.join("connections.svg"), "Reads a second by connections", "connections", "a second", lines)?;
    let lines = vec![
        Line { name: "SQLite, half of them", colour: BLUE, points: by_connections("SQLite", "p50_ms") },
        Line { name: "SQLite, 99 of 100", colour: LIGHT_BLUE, points: by_connections("SQLite", "p99_ms") },
        Line { name: "PostgreSQL, half of them", colour: ORANGE, points: by_connections("PostgreSQL", "p50_ms") },
        Line { name: "PostgreSQL, 99 of 100", colour: LIGHT_ORANGE, points: by_connections("PostgreSQL", "p99_ms") },
    ];
    plot(&folder.join("latency.svg"), "Milliseconds of a read by connections", "connections", "ms", lines)?;
    let by_size = |on: &str, what: &str| {
        points(summary, on, |result| {
            let size = result["name"].as_str()?.strip_prefix(what)?.strip_prefix(" of ")?.strip_suffix(" bytes")?;
            Some((size.parse().ok()?, result["per_second"].as_f64()?))
        })
    };
    let lines = vec![
        Line { name: "SQLite, reads", colour: BLUE, points: by_size("SQLite", "read") },
        Line { name: "SQLite, writes", colour: LIGHT_BLUE, points: by_size("SQLite", "write") },
        Line { name: "PostgreSQL, reads", colour: ORANGE, points: by_size("PostgreSQL", "read") },
        Line { name: "PostgreSQL, writes", colour: LIGHT_ORANGE, points: by_size("PostgreSQL", "write") },
    ];
    plot(&folder.join("values.svg"), "Reads and writes a second by the size of the value", "bytes", "a second", lines)
}

fn points(summary: &Value, on: &str, of: impl Fn(&Value) -> Option<(f64, f64)>) -> Points {
    let results = summary["results"].as_array().into_iter().flatten();
    results.filter(|result| result["on"] == on).filter_map(of).collect()
}

/// Draws lines over logarithmic axes.
fn plot(file: &Path, title: &str, x: &str, y: &str, lines: Vec<Line>) -> Result<()> {
    let all = || lines.iter().flat_map(|line| &line.points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let least = all().map(of).fold(f64::MAX, f64::min);
        let most = all().map(of).fold(f64::MIN, f64::max);
        // Room for the points at the edges.
        least * 0.8..most * 1.25
    };
    if all().next().is_none() {
        return Ok(());
    }
    let (xs, ys) = (range(|point| point.0), range(|point| point.1));
    let area = SVGBackend::new(file, (820, 420)).into_drawing_area();
    let draw = || -> Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d(xs.log_scale(), ys.log_scale())?;
        chart.configure_mesh().x_desc(x).y_desc(y).light_line_style(RGBColor(240, 240, 240)).draw()?;
        for Line { name, colour, points } in lines {
            let drawn = chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
            drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        chart.configure_series_labels().background_style(WHITE).border_style(RGBColor(200, 200, 200)).draw()?;
        area.present()?;
        Ok(())
    };
    draw().map_err(|error| anyhow!("{}: {error}", file.display()))
}
