//! `cargo xtask test`: builds, starts what a run needs, hands its address to every test; once on each database.

use crate::run::{Profile, Stage, TemporaryFolder, build, cargo, target_folder};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// `filter` goes to the test runner as it is.
pub(crate) fn test(filter: &[&str]) -> Result<()> {
    let binary = build(Profile::Dev)?;
    let has_nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    let has_nextest = has_nextest.is_ok_and(|output| output.status.success());
    // What has its own server is no matter of two.
    let runs: [(&str, &[&str]); 3] =
        [("sqlite", &[]), ("postgres", &["lib", "contract", "routes", "faults"]), ("pair", &["contract", "routes"])];
    get_packages()?;
    let prometheus = get_prometheus()?.display().to_string();
    let can_mount = can_mount()?;
    if !can_mount {
        println!("== this machine lets nobody mount a file system: full disks and read-only ones are not shown");
    }
    for (stage, binaries) in runs {
        println!("== tests on {stage}");
        // What every test together makes the shared servers ask is explained when the run ends.
        let explain: &[&str] = if filter.is_empty() && stage != "pair" { &["explain"] } else { &[] };
        let mut stage = Stage::set(Profile::Dev, &binary, &[&[stage], explain].concat())?;
        stage.environment.push(("KEEPWARD_TEST_PROMETHEUS".to_owned(), prometheus.clone()));
        if !can_mount {
            stage.environment.push(("KEEPWARD_TEST_NO_MOUNT".to_owned(), "true".to_owned()));
        }
        let mut arguments: Vec<String> = match has_nextest {
            true => ["nextest", "run", "--locked", "--workspace", "--no-fail-fast"].map(str::to_owned).into(),
            false => ["test", "--locked", "--workspace"].map(str::to_owned).into(),
        };
        if has_nextest && !binaries.is_empty() {
            let only = binaries.iter().map(|name| match *name {
                "lib" => "kind(lib)".to_owned(),
                name => format!("binary({name})"),
            });
            let only = only.collect::<Vec<_>>().join(" | ");
            arguments.extend(["-E".to_owned(), only]);
        } else {
            arguments.extend(binaries.iter().flat_map(|name| match *name {
                "lib" => vec!["--lib".to_owned()],
                name => vec!["--test".to_owned(), name.to_owned()],
            }));
        }
        arguments.extend(filter.iter().map(|word| (*word).to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cargo(&arguments, &stage.environment)?;
        stage.end()?;
    }
    // nextest runs no documentation tests.
    if has_nextest && filter.is_empty() { cargo(&["test", "--locked", "--workspace", "--doc"], &[]) } else { Ok(()) }
}

/// Installs PostgreSQL's programs, and the library that moves clocks, where they are missing and this is root on Debian or
/// one of its kin; no test on them is left out in silence.
pub(crate) fn get_packages() -> Result<()> {
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
