//! The crates `keepward-api` and `keepward`. What tests there are of them run in `cargo xtask test`, too.

use super::{Scene, run};
use crate::root;
use crate::run::{Profile, cargo, program, target_folder};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

pub(super) const EXAMPLE: &str = "agent_reads_a_secret";
pub(super) const TOUR: &str = "tour";

/// The examples, and what `tests/e2e` has.
pub(super) fn test(scene: &Scene) -> Result<()> {
    let mut scenarios = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    // Built like all tests, so that no package is built once more.
    scenarios
        .args(["test", "--locked", "--workspace", "--test", "all", "e2e::", "--", "--nocapture"])
        .current_dir(root());
    let data = scene.path("data").display().to_string();
    scenarios.env("KEEPWARD_TEST_URL", &scene.server.url).env("KEEPWARD_TEST_DATA_DIR", data);
    scene.run_test(&mut scenarios, None)?;
    for example in [EXAMPLE, TOUR] {
        let program = program(Profile::Dev, "examples").join(example);
        scene.run_test(&mut Command::new(program), None)?;
    }
    Ok(())
}

/// Both crates as they are published; a project that has nothing but them runs the example.
pub(super) fn package(scene: &Scene, packages: &Path) -> Result<()> {
    let names = ["keepward-api", "keepward"];
    let which = names.iter().flat_map(|name| ["-p", name]);
    let arguments: Vec<&str> =
        ["package", "--no-verify", "--allow-dirty", "--quiet"].into_iter().chain(which).collect();
    cargo(&arguments, &[])?;
    let folder = scene.path("from-crates");
    std::fs::create_dir_all(folder.join("src"))?;
    let version = env!("CARGO_PKG_VERSION");
    for name in names {
        let file = format!("{name}-{version}.crate");
        let made = target_folder().join("package").join(&file);
        std::fs::copy(&made, packages.join(&file)).with_context(|| made.display().to_string())?;
        run(Command::new("tar").arg("-xzf").arg(&made).current_dir(&folder))?;
    }
    let manifest = format!(
        "[package]\nname = \"quickstart\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nkeepward = {{ path = \"keepward-{version}\" }}\ngetrandom = \"0.4\"\ntokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n\n[profile.dev]\ndebug = false\n\n[patch.crates-io]\nkeepward-api = {{ path = \"keepward-api-{version}\" }}\n\n[workspace]\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    std::fs::copy(root().join(format!("sdk-rust/examples/{EXAMPLE}.rs")), folder.join("src/main.rs"))?;
    let mut quickstart = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    quickstart.args(["run", "--quiet"]).current_dir(&folder).env("CARGO_TARGET_DIR", target_folder().join("crates"));
    scene.run_quickstart(&mut quickstart)
}
