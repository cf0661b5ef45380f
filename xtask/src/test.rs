//! `cargo xtask test`: builds, starts the one server of the run, hands its address to every test.

use crate::run::{Profile, Server, TemporaryFolder, build, cargo};
use anyhow::Result;

/// `filter` goes to the test runner as it is.
pub(crate) fn test(filter: &[&str]) -> Result<()> {
    let binary = build(Profile::Dev)?;
    let folder = TemporaryFolder::new("test")?;
    let server = Server::start(&binary, &folder.0.join("data"), &[("KEEPWARD_RATE_LIMIT", "off")])?;
    let environment = [
        ("KEEPWARD_TEST_URL", server.url.clone()),
        ("KEEPWARD_TEST_DATA_DIR", server.data_dir.display().to_string()),
        ("KEEPWARD_TEST_BINARY", binary.display().to_string()),
    ];
    let has_nextest = std::process::Command::new("cargo").args(["nextest", "--version"]).output();
    let has_nextest = has_nextest.is_ok_and(|output| output.status.success());
    if !has_nextest {
        let mut arguments = vec!["test", "--locked", "--workspace"];
        arguments.extend(filter);
        return cargo(&arguments, &environment);
    }
    let mut arguments = vec!["nextest", "run", "--locked", "--workspace", "--no-fail-fast"];
    arguments.extend(filter);
    cargo(&arguments, &environment)?;
    // nextest runs no documentation tests.
    if filter.is_empty() { cargo(&["test", "--locked", "--workspace", "--doc"], &environment) } else { Ok(()) }
}
