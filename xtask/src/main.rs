//! `cargo xtask`: the verbs of this workspace. `demo` and `test` run here; the others need libraries, and run in
//! xtask-tools, which is built for them.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode};
use xtask::run::{cargo, target_folder};
use xtask::{demo, test};

const HELP: &str = "\
cargo xtask VERB

  demo           the main job on a server of its own, through the SDK
  test [sqlite|postgres|pair] [FILTER]
                 run every test against a server that it starts: on SQLite, on PostgreSQL, and on two servers that share
                 one; or on one of them, or only those whose name has FILTER in it
  gen [--check]  write every generated file from openapi/*.yaml; --check only says which differ
  check          generated files, document, imports, dependencies, format, lints
  bench [main|curves|growth|--record]
                 every figure of the design, beside a bare route; --record writes docs/performance/
  flames         flame graphs of a read and of a write on each database (needs perf), into docs/performance/
  bench sdk [--record]
                 a read through each SDK beside the same by hand, imports, memory over 100,000 calls and more
  sdk [rust|python|node]
                 the SDKs, installed and put through tests/e2e (needs npm, python3-venv)
  package        wheel, source package, npm packages and crates, into target/packages; each installed and tried
  soak [kills|sqlite|postgres] [--record]
                 hundreds of kills; an hour of mixed load on each database; --record writes what was seen into docs
  status         list the operations of the document that still answer 501
";

fn main() -> ExitCode {
    match verb() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", format!("{error:#}").trim_end());
            ExitCode::FAILURE
        }
    }
}

fn verb() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo"] => demo::demo(),
        ["test", rest @ ..] => test::test(rest),
        ["gen" | "check" | "bench" | "flames" | "sdk" | "package" | "soak" | "status", ..] => tools(&words),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            print!("{HELP}");
            bail!("unknown verb {words:?}")
        }
    }
}

/// Builds xtask-tools and runs a verb in it.
fn tools(words: &[&str]) -> Result<()> {
    let program = target_folder().join("debug/xtask-tools");
    let mut build = vec!["build", "--workspace", "--bin", "xtask-tools"];
    if program.exists() {
        build.push("--quiet");
    } else {
        println!("Building xtask-tools: a minute or two on two cores, the first time.");
    }
    cargo(&build, &[])?;
    let status = Command::new(&program).args(words).status().with_context(|| program.display().to_string())?;
    if !status.success() {
        bail!("cargo xtask {} failed", words.join(" "));
    }
    Ok(())
}
