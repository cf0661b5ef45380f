//! `cargo xtask test`: builds, starts what a run needs, hands its address to every test; once on each database.

use crate::run::{Profile, build, cargo, target_folder};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `filter` goes to the test runner as it is.
pub(crate) fn test(filter: &[&str]) -> Result<()> {
    let binary = build(Profile::Dev)?;
    let has_nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    let has_nextest = has_nextest.is_ok_and(|output| output.status.success());
    // What has no server behaves alike on both databases; what has its own is no matter of two.
    let runs: [(&str, &[&str]); 3] =
        [("sqlite", &[]), ("postgres", &["contract", "routes", "faults"]), ("pair", &["contract", "routes"])];
    for (stage, binaries) in runs {
        println!("== tests on {stage}");
        let stage = Stage::set(&binary, stage)?;
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

/// Servers and databases of a run (`tests/src/bin/stage.rs`); they end with this.
struct Stage {
    child: Child,
    environment: Vec<(String, String)>,
}

impl Stage {
    fn set(binary: &Path, database: &str) -> Result<Self> {
        let mut command = Command::new(target_folder().join("debug/stage"));
        command.arg(database).env("KEEPWARD_TEST_BINARY", binary);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("stage")?;
        let mut environment = vec![("KEEPWARD_TEST_BINARY".to_owned(), binary.display().to_string())];
        for line in BufReader::new(child.stdout.take().context("stdout")?).lines() {
            match line?.split_once('=') {
                Some((name, value)) => environment.push((name.to_owned(), value.to_owned())),
                None => return Ok(Self { child, environment }),
            }
        }
        bail!("what the tests need did not start")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
