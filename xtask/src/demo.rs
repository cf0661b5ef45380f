//! `cargo xtask demo`: the main job on a server of its own, seen through the SDK.

use crate::run::{Profile, Server, TemporaryFolder, build, program};
use anyhow::{Context, Result, bail};
use std::process::Command;

const EXAMPLE: &str = "agent_reads_a_secret";

/// Builds the server and the example as the tests build them, and runs the one against the other.
pub fn demo() -> Result<()> {
    println!("Building the server and its Rust SDK: about four minutes on two cores, the first time.");
    let binary = build(Profile::Dev, &["--bin", "keepward-server", "--example", EXAMPLE])?;
    let folder = TemporaryFolder::new("demo")?;
    let data = folder.0.join("data");
    let server = Server::start(&binary, &data, &[])?;
    println!(
        "A server listens at {} ({:.0} ms after its start), data in {}.\n",
        server.url,
        server.start_milliseconds,
        data.display()
    );
    let example = program(Profile::Dev, "examples").join(EXAMPLE);
    let status = Command::new(example).env("KEEPWARD_URL", &server.url).status().context("the example")?;
    if !status.success() {
        bail!("the example failed");
    }
    println!("\nkeepward-server audit verify:");
    let status = Command::new(&binary).args(["audit", "verify", "--data-dir"]).arg(&data).status()?;
    if !status.success() {
        bail!("the audit trail does not verify");
    }
    Ok(())
}
