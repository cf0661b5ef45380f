//! `cargo xtask sdk`: the Python and the Node package, built and installed as their users do, and put through the scenarios
//! of `tests/e2e` against a release server. The Rust SDK passes them in `cargo xtask test`.

use crate::root;
use crate::run::{Profile, Server, TemporaryFolder, build};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("`{name}` can't be run"))?;
    if !status.success() {
        bail!("`{name}` failed");
    }
    Ok(())
}

pub(crate) fn sdk(only: Option<&str>) -> Result<()> {
    let (python, node) = match only {
        None => (true, true),
        Some("python") => (true, false),
        Some("node") => (false, true),
        Some(other) => bail!("no SDK {other}: python or node"),
    };
    let binary = build(Profile::Release)?;
    let folder = TemporaryFolder::new("sdk")?;
    let server = Server::start(&binary, &folder.0.join("data"), &[("KEEPWARD_RATE_LIMIT", "off")])?;
    if python {
        self::python(&folder.0, &server.url)?;
    }
    if node {
        self::node(&folder.0, &server.url)?;
    }
    Ok(())
}

/// `pip install ./bindings-python` into an empty environment, the type checkers, the scenarios.
fn python(folder: &Path, url: &str) -> Result<()> {
    let (package, environment) = (root().join("bindings-python"), folder.join("venv"));
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let program = environment.join("bin/python");
    run(Command::new(&program).args(["-m", "pip", "install", "--quiet", "mypy"]).arg(&package))?;
    let mypy = ["-m", "mypy", "--strict", "-p", "keepward"];
    run(Command::new(&program).args(mypy).current_dir(folder))?;
    for test in ["scenarios.py", "client.py"] {
        let test = package.join("tests").join(test);
        run(Command::new(&program).arg(test).current_dir(folder).env("KEEPWARD_URL", url))?;
    }
    Ok(())
}

/// `npm ci && npm run build`, the compiler of TypeScript over the types, and the scenarios from a project beside it.
fn node(folder: &Path, url: &str) -> Result<()> {
    let package = root().join("bindings-node");
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&package))?;
    run(Command::new("npm").args(["run", "build", "--silent"]).current_dir(&package))?;
    run(Command::new("npx")
        .args(["tsc", "--strict", "--noEmit", "--lib", "es2022", "--skipLibCheck", "false", "index.d.ts"])
        .current_dir(&package))?;
    let project = folder.join("project");
    std::fs::create_dir_all(&project)?;
    run(Command::new("npm").args(["init", "-y"]).current_dir(&project).stdout(std::process::Stdio::null()))?;
    run(Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg(&package)
        .current_dir(&project))?;
    for test in ["scenarios.js", "client.js"] {
        let test = package.join("tests").join(test);
        let modules = project.join("node_modules");
        run(Command::new("node").arg(test).current_dir(&project).env("KEEPWARD_URL", url).env("NODE_PATH", modules))?;
    }
    Ok(())
}
