//! `cargo xtask test`: builds, starts what a run needs, hands its address to every test; once on each database.

use crate::run::{Profile, Stage, build, cargo};
use anyhow::Result;
use std::process::Command;

/// `filter` goes to the test runner as it is.
pub(crate) fn test(filter: &[&str]) -> Result<()> {
    let binary = build(Profile::Dev)?;
    let has_nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    let has_nextest = has_nextest.is_ok_and(|output| output.status.success());
    // What has no server behaves alike on both databases; what has its own is no matter of two.
    let runs: [(&str, &[&str]); 3] =
        [("sqlite", &[]), ("postgres", &["contract", "routes", "faults"]), ("pair", &["contract", "routes"])];
    let has_postgres = has_postgres();
    for (stage, binaries) in runs {
        if stage != "sqlite" && !has_postgres {
            println!("== no tests on {stage}: PostgreSQL is not here, and could not be installed");
            continue;
        }
        println!("== tests on {stage}");
        let stage = Stage::set(Profile::Dev, &binary, &[stage])?;
        let mut arguments: Vec<String> = match has_nextest {
            true => ["nextest", "run", "--locked", "--workspace", "--no-fail-fast"].map(str::to_owned).into(),
            false => ["test", "--locked", "--workspace"].map(str::to_owned).into(),
        };
        if has_nextest && !binaries.is_empty() {
            let only = binaries.iter().map(|name| format!("binary({name})")).collect::<Vec<_>>().join(" | ");
            arguments.extend(["-E".to_owned(), only]);
        } else {
            arguments.extend(binaries.iter().flat_map(|name| ["--test".to_owned(), (*name).to_owned()]));
        }
        arguments.extend(filter.iter().map(|word| (*word).to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cargo(&arguments, &stage.environment)?;
    }
    // nextest runs no documentation tests.
    if has_nextest && filter.is_empty() { cargo(&["test", "--locked", "--workspace", "--doc"], &[]) } else { Ok(()) }
}

/// Whether PostgreSQL's programs are here; where they are not, and this is root on Debian or one of its kin, they are
/// installed.
fn has_postgres() -> bool {
    let is_here = || {
        let on_path = Command::new("initdb").arg("--version").output().is_ok_and(|output| output.status.success());
        let of_debian = std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| versions.next().is_some());
        on_path || of_debian
    };
    if is_here() {
        return true;
    }
    let install = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        let command = command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.status().is_ok_and(|status| status.success())
    };
    println!("== installing PostgreSQL for the tests");
    install(&["update", "-qq"])
        && install(&["install", "-y", "-qq", "--no-install-recommends", "postgresql"])
        && is_here()
}
