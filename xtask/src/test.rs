//! `cargo xtask test`: builds, starts what a run needs, hands its address to every test; once on each database.

use crate::run::{Profile, SERVED, Stage, TemporaryFolder, build, cargo, target_folder};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A run's name, which is that of its stage, and what it leaves out: modules of `tests/all.rs`, or unit tests (`lib`). What
/// starts a server of its own has nothing to see on two.
const RUNS: [(&str, &[&str]); 3] = [("sqlite", &[]), ("postgres", &["e2e"]), ("pair", &["lib", "faults", "e2e"])];

/// Runs the tests whose names have one of `words` in them; a first word that names a run asks for that one alone.
pub fn test(words: &[&str]) -> Result<()> {
    let (only, filter) = match words {
        [first, filter @ ..] if RUNS.iter().any(|(name, _)| name == first) => (Some(*first), filter),
        filter => (None, filter),
    };
    let is_whole = filter.is_empty();
    let binary = build(Profile::Dev, SERVED)?;
    let has_nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    let has_nextest = has_nextest.is_ok_and(|output| output.status.success());
    get_packages()?;
    let prometheus = get_prometheus()?.display().to_string();
    let can_mount = can_mount()?;
    if !can_mount {
        println!("== this machine lets nobody mount a file system: full disks and read-only ones are not shown");
    }
    for (name, left_out) in RUNS.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        println!("== tests on {name}");
        // What every test together makes the shared servers ask is explained when the run ends.
        let explain: &[&str] = if is_whole && name != "pair" { &["explain"] } else { &[] };
        let mut stage = Stage::set(Profile::Dev, &binary, &[&[name], explain].concat())?;
        stage.environment.push(("KEEPWARD_TEST_PROMETHEUS".to_owned(), prometheus.clone()));
        if !can_mount {
            stage.environment.push(("KEEPWARD_TEST_NO_MOUNT".to_owned(), "true".to_owned()));
        }
        match has_nextest {
            true => nextest(left_out, filter, &stage.environment)?,
            false => cargo_test(left_out, filter, &stage.environment)?,
        }
        stage.end()?;
    }
    // nextest runs no documentation tests.
    if has_nextest && is_whole && only.is_none() {
        cargo(&["test", "--locked", "--workspace", "--doc"], &[])?;
    }
    Ok(())
}

fn nextest(left_out: &[&str], filter: &[&str], environment: &[(String, String)]) -> Result<()> {
    // Not the examples: those have no tests, and are built where they run.
    let mut arguments = vec!["nextest", "run", "--locked", "--workspace", "--tests", "--no-fail-fast"];
    // What is no test of a server (xtask's are of kind `bin`) runs once, with everything else.
    let left_out = left_out.iter().map(|part| match *part {
        "lib" => "not kind(lib)".to_owned(),
        part => format!("not test(/^{part}::/)"),
    });
    let kept = left_out.chain(["not kind(bin)".to_owned()]).collect::<Vec<_>>().join(" & ");
    if kept.contains('/') {
        arguments.extend(["-E", &kept]);
    }
    arguments.extend(filter);
    cargo(&arguments, environment)
}

/// The same by cargo alone, one test binary after the other.
fn cargo_test(left_out: &[&str], filter: &[&str], environment: &[(String, String)]) -> Result<()> {
    let skipped: Vec<String> = left_out.iter().map(|part| format!("{part}::")).collect();
    let mut arguments = vec!["test", "--locked", "--workspace"];
    match left_out {
        [] => arguments.push("--tests"),
        [first, ..] if *first == "lib" => arguments.extend(["--test", "all"]),
        _ => arguments.extend(["--lib", "--test", "all"]),
    }
    arguments.push("--");
    arguments.extend(skipped.iter().flat_map(|part| ["--skip", part]));
    arguments.extend(filter);
    cargo(&arguments, environment)
}

/// Installs PostgreSQL's programs, and the library that moves clocks, where they are missing and this is root on Debian or
/// one of its kin; no test on them is left out in silence.
pub fn get_packages() -> Result<()> {
    let below = |folder: &str, file: &str| {
        let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
        folders.into_iter().any(|entry| entry.path().join(file).exists())
    };
    let has_postgres = || {
        let on_path = Command::new("initdb").arg("--version").output().is_ok_and(|output| output.status.success());
        on_path || below("/usr/lib/postgresql", "bin/initdb")
    };
    let has_clock = || below("/usr/lib", "faketime/libfaketimeMT.so.1");
    let install = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        let command = command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.status().is_ok_and(|status| status.success())
    };
    if !has_postgres() || !has_clock() {
        println!("== installing packages for the tests");
        let packages = ["install", "-y", "-qq", "--no-install-recommends", "postgresql", "faketime"];
        let _ = install(&["update", "-qq"]) && install(&packages);
    }
    match (has_postgres(), has_clock()) {
        (true, true) => Ok(()),
        (false, _) => bail!("the tests need PostgreSQL's `initdb`: install PostgreSQL 13 or later"),
        (_, false) => bail!("the tests need libfaketime: install the package faketime"),
    }
}

/// Whether a file system in memory can be mounted here.
fn can_mount() -> Result<bool> {
    let folder = TemporaryFolder::new("mount")?;
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).arg(&folder.0).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let is_mounted = run("mount", &["-t", "tmpfs", "none"]);
    if is_mounted && !run("umount", &[]) {
        bail!("{} stays mounted", folder.0.display());
    }
    Ok(is_mounted)
}

/// Prometheus: the one on the path, or Debian's, unpacked into the target folder; installed, it would be a service.
fn get_prometheus() -> Result<PathBuf> {
    if Command::new("prometheus").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok("prometheus".into());
    }
    let folder = target_folder().join("tools");
    let program = folder.join("usr/bin/prometheus");
    if !program.exists() {
        println!("== getting Prometheus for the tests");
        std::fs::create_dir_all(&folder)?;
        let run = |program: &str, arguments: &[&str]| {
            let status = Command::new(program).args(arguments).current_dir(&folder).status();
            status.is_ok_and(|status| status.success())
        };
        // Of another version, perhaps, or half of it.
        for entry in
            std::fs::read_dir(&folder)?.flatten().filter(|entry| entry.path().extension() == Some("deb".as_ref()))
        {
            std::fs::remove_file(entry.path())?;
        }
        let download = || run("apt-get", &["download", "-qq", "prometheus"]);
        let got = download() || (run("apt-get", &["update", "-qq"]) && download());
        let file = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.file_name()).find(|name| {
            let name = name.to_string_lossy();
            name.starts_with("prometheus_") && name.ends_with(".deb")
        });
        let unpacked = file.is_some_and(|file| run("dpkg", &["-x", &file.to_string_lossy(), "."]));
        if !got || !unpacked || !program.exists() {
            bail!("the tests need Prometheus: install it, so that `prometheus` is on the path");
        }
    }
    Ok(program)
}
