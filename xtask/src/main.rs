//! `cargo xtask`: what generates, checks, tests, shows and measures this workspace.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]
#![allow(clippy::indexing_slicing, reason = "serde_json answers null for what is not there")]

mod document;
mod r#gen;
mod lint;
mod lower;
mod model;

use anyhow::{Result, bail};
use std::path::PathBuf;

const HELP: &str = "\
cargo xtask VERB

  gen [--check]  write every generated file from openapi/*.yaml; --check only says which differ
  status         list the operations of the document that still answer 501
";

/// The workspace's folder.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

fn main() -> Result<()> {
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
        ["status"] => {
            let document = document::Document::load(&root())?;
            for operation in model::operations(&document)?.iter().filter(|operation| operation.planned) {
                println!("{:<28} {:<6} {}", operation.id, operation.method, operation.path);
            }
            Ok(())
        }
        _ => {
            print!("{HELP}");
            if words.is_empty() { Ok(()) } else { bail!("unknown verb {words:?}") }
        }
    }
}
