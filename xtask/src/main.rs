//! `cargo xtask`: what generates, checks, tests, shows and measures this workspace.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]
#![allow(clippy::indexing_slicing, reason = "serde_json answers null for what is not there")]

mod bench;
mod check;
mod demo;
mod document;
mod r#gen;
mod lint;
mod lower;
mod model;
mod page;
mod process;
mod run;
mod sdk;
mod soak;
mod test;

use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask VERB

  gen [--check]  write every generated file from openapi/*.yaml; --check only says which differ
  check          generated files, document, imports, dependencies, format, lints
  test [FILTER]  run every test against a server that it starts
  demo           the main job on a server of its own, through the SDK
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

/// The workspace's folder: the one in which cargo was called, though another clone that shares its target folder may have
/// built this program.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map(PathBuf::from).unwrap_or(here)
}

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
        ["gen"] => {
            for path in r#gen::write(&root())? {
                println!("{}", path.display());
            }
            Ok(())
        }
        ["gen", "--check"] => {
            let stale = r#gen::stale(&root())?;
            if !stale.is_empty() {
                bail!("these files are not what the document says (run `cargo xtask gen`): {stale:?}");
            }
            Ok(())
        }
        ["sdk"] => sdk::sdk(None),
        ["sdk", only] => sdk::sdk(Some(only)),
        ["package"] => sdk::package(),
        ["demo"] => demo::demo(),
        ["soak", parts @ .., "--record"] => soak::soak(parts, true),
        ["soak", parts @ ..] => soak::soak(parts, false),
        ["bench"] => bench::bench(None, false),
        ["bench", "sdk"] => bench::sdk(false),
        ["bench", "sdk", "--record"] => bench::sdk(true),
        ["bench", "--record"] => bench::bench(None, true),
        ["bench", part @ ("main" | "curves" | "growth")] => bench::bench(Some(part), false),
        ["flames"] => bench::flames(),
        ["check"] => check::check(),
        ["test", filter @ ..] => test::test(filter),
        ["status"] => {
            let document = document::Document::load(&root())?;
            for operation in model::operations(&document)?.iter().filter(|operation| operation.planned) {
                println!("{:<28} {:<6} {}", operation.id, operation.method, operation.path);
            }
            Ok(())
        }
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
