//! The Node package, and the package with the addon of this platform.

use super::{Mirror, Scene, check_size, only, quiet, run};
use crate::root;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const QUIET: [&str; 3] = ["--ignore-scripts", "--no-audit", "--no-fund"];

fn sources() -> PathBuf {
    root().join("bindings-node")
}

/// `npm ci && npm run build`, then both packages as they are published: whoever installs `keepward` gets the addon of their
/// platform with it. The files in a folder.
fn pack(scene: &Scene, folder: &Path) -> Result<[PathBuf; 2]> {
    run(Command::new("npm").arg("ci").args(QUIET).current_dir(sources()))?;
    run(Command::new("npm").args(["run", "build", "--silent"]).current_dir(sources()))?;
    let addon = only(&sources(), ".node")?;
    check_size(&addon)?;
    let file = addon.file_name().context("a name")?.to_string_lossy().into_owned();
    let platform = file.replace("keepward.", "keepward-").replace(".node", "");
    let text = std::fs::read_to_string(sources().join("package.json"))?;
    let mut package: Value = serde_json::from_str(&text)?;
    let fields = package.as_object_mut().context("package.json")?;
    for development in ["scripts", "devDependencies"] {
        fields.shift_remove(development);
    }
    let version = fields["version"].clone();
    fields.insert("optionalDependencies".to_owned(), json!({ &platform: version }));
    fields.insert("files".to_owned(), json!(["index.js", "index.mjs", "index.d.ts", "lib"]));
    // As Node has them in `process.platform`, `process.arch` and, on Linux, the C library.
    let mut parts = platform.split('-').skip(1);
    let native = json!({
        "name": platform,
        "version": version,
        "description": format!("The addon of keepward for {}", platform.trim_start_matches("keepward-")),
        "license": fields["license"],
        "engines": fields["engines"],
        "os": [parts.next()],
        "cpu": [parts.next()],
        "libc": [if parts.next() == Some("musl") { "musl" } else { "glibc" }],
        "main": file,
        "files": [file],
    });
    let (main, side) = (scene.path("npm/keepward"), scene.path("npm").join(&platform));
    for (place, package) in [(&main, &package), (&side, &native)] {
        std::fs::create_dir_all(place)?;
        std::fs::write(place.join("package.json"), serde_json::to_string_pretty(package)? + "\n")?;
    }
    std::fs::copy(&addon, side.join(&file))?;
    run(Command::new("cp")
        .arg("-r")
        .args(["index.js", "index.mjs", "index.d.ts", "README.md", "lib"])
        .arg(&main)
        .current_dir(sources()))?;
    std::fs::create_dir_all(folder)?;
    for place in [&main, &side] {
        run(quiet("npm").args(["pack", "--silent", "--pack-destination"]).arg(folder).current_dir(place))?;
    }
    let version = version.as_str().context("a version")?;
    let packed = |name: &str| only(folder, &format!("{name}-{version}.tgz"));
    Ok([packed("keepward")?, packed(&platform)?])
}

/// A project that has these packages and nothing else.
fn project(folder: &Path, packages: &[PathBuf]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    run(quiet("npm").args(["init", "-y"]).current_dir(folder))?;
    run(Command::new("npm").arg("install").args(QUIET).args(packages).current_dir(folder))
}

/// A project with the packages and others.
pub(crate) fn installed(scene: &Scene, others: &[&str]) -> Result<PathBuf> {
    let mut packages = pack(scene, &scene.path("npm"))?.to_vec();
    packages.extend(others.iter().map(PathBuf::from));
    let folder = scene.path("node");
    project(&folder, &packages)?;
    Ok(folder)
}

/// The packages in a project of their own: the type checker, the tests.
pub(super) fn test(scene: &Scene) -> Result<()> {
    let folder = installed(scene, &[])?;
    // From within the package the tests would find its sources.
    for test in ["e2e.js", "declared.js", "scenarios.js", "calls.js", "client.js"] {
        std::fs::copy(sources().join("tests").join(test), folder.join(test))?;
    }
    // As a file of either kind of module, and as one that takes its package's.
    let typed = ["types.ts", "types.cts", "types.mts"].map(|name| folder.join(name));
    for file in &typed {
        std::fs::copy(sources().join("tests/types.ts"), file)?;
    }
    for example in ["quickstart.mjs", "tour.mjs"] {
        std::fs::copy(sources().join("examples").join(example), folder.join(example))?;
    }
    let strict =
        ["tsc", "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", "node", "--typeRoots"];
    let modules = sources().join("node_modules");
    run(Command::new("npx").args(strict).arg(modules.join("@types")).args(typed).current_dir(sources()))?;
    let mirror = Mirror::start(&scene.server.url)?;
    for test in ["scenarios.js", "calls.js", "client.js", "quickstart.mjs", "tour.mjs"] {
        let mut node = Command::new("node");
        node.arg(test).current_dir(&folder).env("KEEPWARD_TYPESCRIPT", modules.join("typescript"));
        scene.run_test(&mut node, Some(&mirror))?;
    }
    mirror.end()
}

/// Both packages, installed into an empty project, and the folder of a clone, installed into another.
pub(super) fn package(scene: &Scene, packages: &Path) -> Result<()> {
    let packed = pack(scene, packages)?.to_vec();
    for (name, packages) in [("from-npm", packed), ("from-clone", vec![sources()])] {
        let folder = scene.path(name);
        project(&folder, &packages)?;
        std::fs::copy(sources().join("examples/quickstart.mjs"), folder.join("quickstart.mjs"))?;
        scene.run_quickstart(Command::new("node").arg("quickstart.mjs").current_dir(&folder))?;
    }
    Ok(())
}
