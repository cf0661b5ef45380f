//! What `cargo xtask` shares: running cargo, servers and stages; the tests; the demo. It has few dependencies, since a
//! newcomer's first command waits for it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

pub mod demo;
pub mod run;
pub mod test;

use std::path::{Path, PathBuf};

/// The workspace's folder: the one in which cargo was called, even if another clone that shares its target folder built this
/// program.
#[must_use]
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let is_root = |folder: &&Path| folder.join("Cargo.lock").exists();
    here.ancestors().find(is_root).map(PathBuf::from).unwrap_or(here)
}
