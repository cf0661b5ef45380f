//! The Python package.

use super::{Mirror, Scene, check_size, only, quiet, run};
use crate::root;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn sources() -> PathBuf {
    root().join("bindings-python")
}

/// An environment with nothing but these packages in it; its interpreter.
fn environment(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let python = folder.join("bin/python");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    Ok(python)
}

/// Builds the wheel as `pip install ./bindings-python` does.
fn wheel(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"];
    run(Command::new("python3").args(build).arg(folder).arg(sources()))?;
    checked(folder, "linux")
}

/// The one wheel of a folder, for a platform.
fn checked(folder: &Path, platform: &str) -> Result<PathBuf> {
    let wheel = only(folder, ".whl")?;
    let name = wheel.to_string_lossy();
    // Of the oldest interpreter's stable interface, for all that follow.
    ensure!(name.contains("-cp39-abi3-"), "{name} is for one interpreter");
    ensure!(name.contains(platform), "{name} is not for {platform}");
    check_size(&wheel)?;
    Ok(wheel)
}

/// The interpreter of an environment with the wheel and other packages.
pub(crate) fn installed(scene: &Scene, others: &[&str]) -> Result<PathBuf> {
    let wheel = wheel(&scene.path("wheels"))?;
    let python = environment(&scene.path("python"), others)?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).arg(&wheel))?;
    Ok(python)
}

/// The other interpreters that the wheel is for, as far as they are here: on the path, or pyenv's.
fn other_interpreters() -> Result<Vec<PathBuf>> {
    let said = Command::new("python3").args(["-c", "import sys; print(sys.version_info[1])"]).output()?;
    let usual = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    if let Some(pyenv) = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home) {
        let versions = std::fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
        folders.extend(versions.map(|version| version.path().join("bin")));
    }
    // Some that are found are a shim of nothing, or can make no environment.
    let works = |program: &PathBuf| {
        let status = quiet(program).args(["-c", "import ensurepip, venv"]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let minors = (9..=14).map(|minor: u32| minor.to_string()).filter(|minor| *minor != usual);
    let found = minors.filter_map(|minor| {
        let mut programs = folders.iter().map(|folder| folder.join(format!("python3.{minor}")));
        programs.find(|program| program.exists() && works(program))
    });
    Ok(found.collect())
}

/// The wheel in an environment of its own: what type checkers and the interpreter's own auditor say of it, the tests.
pub(super) fn test(scene: &Scene) -> Result<()> {
    let python = installed(scene, &["mypy==2.4.1", "pyright==1.1.414", "abi3audit==0.0.26"])?;
    let wheel = only(&scene.path("wheels"), ".whl")?;
    run(Command::new(&python).args(["-m", "abi3audit", "--strict", "--assume-minimum-abi3", "3.9"]).arg(&wheel))?;
    let folder = scene.path("python-project");
    std::fs::create_dir_all(&folder)?;
    let examples = ["quickstart.py", "tour.py"].map(|name| sources().join("examples").join(name));
    run(Command::new(&python).args(["-m", "mypy", "--strict", "-p", "keepward"]).current_dir(&folder))?;
    run(Command::new(&python).args(["-m", "mypy", "--strict"]).args(&examples).current_dir(&folder))?;
    run(Command::new(&python).args(["-m", "mypy.stubtest", "keepward._native"]).current_dir(&folder))?;
    // It asks the first `python` that it finds where packages are: `--verifytypes` does not heed `--pythonpath`.
    let here = python.parent().map(Path::to_path_buf).into_iter();
    let path = std::env::join_paths(here.chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
    let pyright = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "pyright"]).args(arguments).env("PATH", &path).current_dir(&folder);
        command
    };
    run(pyright(&["--verifytypes", "keepward", "--ignoreexternal"]).env("PYRIGHT_PYTHON_IGNORE_WARNINGS", "1"))?;
    run(pyright(&[]).args(&examples))?;
    let mirror = Mirror::start(&scene.server.url)?;
    for test in ["scenarios.py", "calls.py", "client.py", "servers.py"] {
        let file = sources().join("tests").join(test);
        scene.run_test(Command::new(&python).arg(file).current_dir(&folder), Some(&mirror))?;
    }
    for example in &examples {
        scene.run_test(Command::new(&python).arg(example).current_dir(&folder), Some(&mirror))?;
    }
    for (n, other) in other_interpreters()?.into_iter().enumerate() {
        println!("== {}", other.display());
        let folder = scene.path(&format!("other-{n}"));
        run(Command::new(&other).args(["-m", "venv"]).arg(&folder))?;
        let python = folder.join("bin/python");
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--no-index"]).arg(&wheel))?;
        for file in ["tests/scenarios.py", "tests/client.py", "tests/servers.py", "examples/quickstart.py"] {
            let mut command = Command::new(&python);
            scene.run_test(command.arg(sources().join(file)).current_dir(&folder), Some(&mirror))?;
        }
    }
    mirror.end()
}

/// Wheel and source package, each installed into an environment of its own.
pub(super) fn package(scene: &Scene, packages: &Path) -> Result<()> {
    std::fs::create_dir_all(packages)?;
    let tools = environment(&scene.path("tools"), &["maturin>=1.16,<2"])?;
    for build in [&["build", "--release", "--locked"][..], &["sdist"]] {
        let mut maturin = quiet(&tools);
        run(maturin.args(["-m", "maturin"]).args(build).arg("--out").arg(packages).current_dir(sources()))?;
    }
    // What PyPI takes: pip's own builds say of no glibc that it will do.
    let wheel = checked(packages, "manylinux")?;
    let sources = only(packages, ".tar.gz")?;
    for (name, package) in [("from-wheel", wheel), ("from-source", sources)] {
        let folder = scene.path(name);
        let python = environment(&folder, &["pip"])?;
        // Whoever builds it has a target folder of their own; here what is built already is used again.
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet"]).arg(&package);
        run(install.env("CARGO_TARGET_DIR", crate::run::target_folder()))?;
        let quickstart = folder.join("quickstart.py");
        std::fs::copy(self::sources().join("examples/quickstart.py"), &quickstart)?;
        scene.run_quickstart(Command::new(&python).arg("quickstart.py").current_dir(&folder))?;
    }
    Ok(())
}
