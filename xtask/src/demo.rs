//! `cargo xtask demo`: the main job on a server of its own, seen through the SDK.

use crate::run::{Profile, Server, TemporaryFolder, build, target_folder};
use anyhow::{Context, Result, bail};
use std::process::Command;

pub(crate) fn demo() -> Result<()> {
    println!("Building the server and the example (the first time takes minutes).");
    let binary = build(Profile::Demo)?;
    let folder = TemporaryFolder::new("demo")?;
    let data = folder.0.join("data");
    let server = Server::start(&binary, &data, &[])?;
    println!(
        "A server listens at {} ({:.0} ms after its start), data in {}.\n",
        server.url,
        server.start_milliseconds,
        data.display()
    );
    let example = target_folder().join("demo/examples/agent_reads_a_secret");
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
