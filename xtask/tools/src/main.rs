//! The verbs of `cargo xtask` that need a library: what generates, checks, packages and measures this workspace.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]
#![allow(clippy::indexing_slicing, reason = "serde_json answers null for what is not there")]

mod bench;
mod check;
mod document;
mod r#gen;
mod lint;
mod lower;
mod model;
mod page;
mod process;
mod sdk;
mod soak;

use anyhow::{Result, bail};
use std::process::ExitCode;
use xtask::{root, run, test};

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
        ["soak", parts @ .., "--record"] => soak::soak(parts, true),
        ["soak", parts @ ..] => soak::soak(parts, false),
        ["bench"] => bench::bench(None, false),
        ["bench", "sdk"] => bench::sdk(false),
        ["bench", "sdk", "--record"] => bench::sdk(true),
        ["bench", "--record"] => bench::bench(None, true),
        ["bench", part @ ("main" | "curves" | "growth")] => bench::bench(Some(part), false),
        ["flames"] => bench::flames(),
        ["check"] => check::check(),
        ["status"] => {
            let document = document::Document::load(&root())?;
            for operation in model::operations(&document)?.iter().filter(|operation| operation.planned) {
                println!("{:<28} {:<6} {}", operation.id, operation.method, operation.path);
            }
            Ok(())
        }
        _ => bail!("unknown words {words:?}; `cargo xtask help` lists the verbs"),
    }
}
