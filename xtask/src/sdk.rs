//! `cargo xtask sdk`: the Python and the Node package, built and installed as their users do, and put through the scenarios
//! of `tests/e2e` against a release server. The Rust SDK passes them in `cargo xtask test`.

use crate::root;
use crate::run::{Profile, Server, TemporaryFolder, build};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    run(Command::new(&program).args(["-m", "pip", "install", "--quiet", "mypy>=2,<3"]).arg(&package))?;
    let mypy = ["-m", "mypy", "--strict", "-p", "keepward"];
    run(Command::new(&program).args(mypy).current_dir(folder))?;
    for test in ["scenarios.py", "client.py"] {
        let test = package.join("tests").join(test);
        run(Command::new(&program).arg(test).current_dir(folder).env("KEEPWARD_URL", url).env("KEEPWARD_E2E", e2e()))?;
    }
    Ok(())
}

/// `npm ci && npm run build`, the package as it would be published, and a project that has nothing but that.
fn node(folder: &Path, url: &str) -> Result<()> {
    let (package, project) = (root().join("bindings-node"), folder.join("project"));
    let quiet = ["--ignore-scripts", "--no-audit", "--no-fund"];
    run(Command::new("npm").arg("ci").args(quiet).current_dir(&package))?;
    run(Command::new("npm").args(["run", "build", "--silent"]).current_dir(&package))?;
    std::fs::create_dir_all(&project)?;
    let pack = ["pack", "--silent", "--pack-destination"];
    run(Command::new("npm").args(pack).arg(&project).current_dir(&package).stdout(Stdio::null()))?;
    let entries = std::fs::read_dir(&project)?.collect::<std::io::Result<Vec<_>>>()?;
    let tarball = entries.first().context("`npm pack` made nothing")?.path();
    run(Command::new("npm").args(["init", "-y"]).current_dir(&project).stdout(Stdio::null()))?;
    run(Command::new("npm").arg("install").args(quiet).arg(tarball).current_dir(&project))?;
    // From within the package the tests would find its sources.
    for test in ["types.ts", "scenarios.js", "client.js"] {
        std::fs::copy(package.join("tests").join(test), project.join(test))?;
    }
    let strict =
        ["tsc", "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", "node", "--typeRoots"];
    let types = package.join("node_modules/@types");
    run(Command::new("npx").args(strict).arg(types).arg(project.join("types.ts")).current_dir(&package))?;
    for test in ["scenarios.js", "client.js"] {
        run(Command::new("node").arg(test).current_dir(&project).env("KEEPWARD_URL", url).env("KEEPWARD_E2E", e2e()))?;
    }
    Ok(())
}

/// Where the scenarios are.
fn e2e() -> PathBuf {
    root().join("tests/e2e")
}
