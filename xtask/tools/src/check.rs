//! `cargo xtask check`: everything that can be told without running the server.

use crate::document::{Document, Side};
use crate::run::cargo;
use crate::{r#gen, model, root};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Answers what it found.
type Check = fn() -> Result<Vec<String>>;

/// Runs every check, and fails with all that they found.
pub(crate) fn check() -> Result<()> {
    let checks: [(&str, Check); 7] = [
        ("generated files", generated),
        ("the document is valid OpenAPI 3.1, its examples are valid", document),
        ("planned operations only become fewer", planned),
        ("imports run one way", imports),
        ("dependencies", dependencies),
        ("one version", version),
        ("no machine's paths", paths),
    ];
    let mut findings = Vec::new();
    for (name, check) in checks {
        println!("-- {name}");
        findings.extend(check().with_context(|| name.to_owned())?);
    }
    if !findings.is_empty() {
        bail!("{}", findings.join("\n"));
    }
    println!("-- format and lints");
    cargo(&["fmt", "--all", "--check"], &[])?;
    let lints = ["clippy", "--locked", "--quiet", "--workspace", "--lib", "--bins", "--", "-D", "warnings"];
    cargo(&lints, &[])?;
    println!("-- the documentation of the crates");
    let docs = ["doc", "--locked", "--quiet", "--no-deps", "--all-features", "-p", "keepward-api", "-p", "keepward"];
    cargo(&docs, &[("RUSTDOCFLAGS".to_owned(), "-D warnings".to_owned())])
}

fn generated() -> Result<Vec<String>> {
    let stale = r#gen::stale(&root())?;
    Ok(stale
        .iter()
        .map(|path| format!("{}: not what the document says; run `cargo xtask gen`", path.display()))
        .collect())
}

/// By a validator that knows nothing of the generators: the official schema of OpenAPI 3.1, JSON Schema 2020-12 for every
/// schema, and each example against its schema.
fn document() -> Result<Vec<String>> {
    let document = Document::load(&root())?;
    let official: Value = serde_json::from_str(include_str!("../schemas/openapi-3.1.json"))?;
    let validator = jsonschema::draft202012::new(&official)?;
    let mut findings: Vec<String> = validator
        .iter_errors(&document.bundle)
        .map(|error| format!("{}: {error}", document.place(error.instance_path().as_str())))
        .collect();
    for (name, schema) in document.schemas() {
        if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
            findings.push(format!("{}: {error}", document.place(&format!("/components/schemas/{name}"))));
        }
    }
    for (at, _, _, _, operation) in document.operations() {
        let request = operation.pointer("/requestBody/content/application~1json");
        let responses = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
        let answers = responses
            .filter_map(|(_, response)| document.resolve(response).ok()?.pointer("/content/application~1json"));
        for media in request.into_iter().chain(answers) {
            let (Some(schema), Some(example)) = (media.get("schema"), media.get("example")) else { continue };
            let schema = json!({"components": document.bundle.get("components"), "allOf": [schema]});
            let validator = jsonschema::options().should_validate_formats(true).build(&schema)?;
            findings.extend(
                validator.iter_errors(example).map(|error| format!("{}: example: {error}", document.place(&at))),
            );
        }
    }
    let used: BTreeSet<String> =
        document.reachable(Side::Request).union(&document.reachable(Side::Answer)).cloned().collect();
    let text = document.bundle.to_string();
    for name in document.schemas().keys().filter(|name| !used.contains(*name)) {
        if !text.contains(&format!("\"#/components/schemas/{name}\"")) {
            findings.push(format!("{}: nothing uses {name}", document.place(&format!("/components/schemas/{name}"))));
        }
    }
    Ok(findings)
}

/// `openapi/planned.txt` lists what may still answer 501; the list only shrinks.
fn planned() -> Result<Vec<String>> {
    let document = Document::load(&root())?;
    let planned: BTreeSet<String> = model::operations(&document)?
        .into_iter()
        .filter(|operation| operation.planned)
        .map(|operation| operation.id)
        .collect();
    let text = std::fs::read_to_string(root().join("openapi/planned.txt"))?;
    let allowed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let more =
        planned.difference(&allowed).map(|id| format!("openapi/planned.txt: `{id}` is x-planned but not in the list"));
    let fewer = allowed.difference(&planned).map(|id| format!("openapi/planned.txt: `{id}` works; take it out"));
    Ok(more.chain(fewer).collect())
}

/// Text that only the named places may hold.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("dropshot::", &["server/src/http/"]),
    ("use dropshot", &["server/src/http/"]),
    (
        "sea_orm",
        &["server/src/store/", "server/migrations/", "rows.rs", "server/src/audit/", "server/src/seal/keyring.rs"],
    ),
    ("reqwest::", &["server/src/egress/", "sdk-rust/", "tests/"]),
    ("unsafe {", &["server/src/http/silence.rs", "server/src/seal/locked.rs"]),
];

/// What a folder must not name: imports run `main -> http, jobs -> operations -> caller, seal, audit -> store -> error`.
const NEVER: &[(&str, &[&str])] = &[
    (
        "server/src/store/",
        &["crate::caller", "crate::audit", "crate::seal", "crate::operations", "crate::http", "crate::app"],
    ),
    ("server/src/seal/", &["crate::caller", "crate::audit", "crate::operations", "crate::http", "crate::app"]),
    ("server/src/audit/", &["crate::caller", "crate::operations", "crate::http", "crate::app"]),
    ("server/src/caller/", &["crate::operations", "crate::http", "crate::app"]),
    ("server/src/operations/", &["crate::http"]),
    ("server/src/error.rs", &["crate::http", "crate::caller", "crate::operations"]),
];

/// Where the other languages' half is, and what it must not name: whatever goes over the wire is the Rust SDK's.
const BINDINGS: [&str; 4] =
    ["bindings-python/src/", "bindings-python/python/", "bindings-node/src/", "bindings-node/lib/"];
const WIRE: [&str; 13] = [
    "reqwest",
    "hyper",
    "http::",
    "TcpStream",
    "import http",
    "import socket",
    "urllib",
    "httpx",
    "aiohttp",
    "node:http",
    "node:net",
    "fetch(",
    "undici",
];

fn imports() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in tracked()?.into_iter().filter(|path| BINDINGS.iter().any(|folder| path.starts_with(folder))) {
        let text = std::fs::read_to_string(root().join(&path))?;
        for word in WIRE.iter().filter(|word| text.contains(**word)) {
            findings.push(format!("{path}: `{word}` belongs to the Rust SDK"));
        }
    }
    for (path, text) in sources()? {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let mut say = |what: String| findings.push(format!("{path}:{}: {what}", number + 1));
            for (word, places) in ONLY_IN {
                if line.contains(word)
                    && path.starts_with("server/src/")
                    && !path.ends_with("tests.rs")
                    && !places.iter().any(|place| path.contains(place))
                {
                    say(format!("`{word}` belongs to {places:?}"));
                }
            }
            for (folder, words) in NEVER {
                if let Some(word) = words.iter().find(|word| path.starts_with(folder) && line.contains(**word)) {
                    say(format!("{folder} does not know `{word}`"));
                }
            }
            // A slice may use another's `service`, never its rows or handlers.
            if let Some(slice) = path.strip_prefix("server/src/operations/").and_then(|rest| rest.split('/').next())
                && let Some(other) = line.split("operations::").nth(1).and_then(|rest| rest.split("::").next())
                && other.chars().all(|c| c.is_alphanumeric() || c == '_')
                && other != slice
                && other != "checks"
                && line.contains("::rows")
            {
                say(format!("slice {slice} uses {other}'s rows"));
            }
        }
    }
    Ok(findings)
}

/// Hand-written Rust files by path below the root.
fn sources() -> Result<Vec<(String, String)>> {
    let mut sources = Vec::new();
    for path in tracked()?.into_iter().filter(|path| path.ends_with(".rs") && !path.contains("generated")) {
        let text = std::fs::read_to_string(root().join(&path))?;
        sources.push((path, text));
    }
    Ok(sources)
}

/// What git tracks or would track; without git, what is there.
fn tracked() -> Result<Vec<String>> {
    let output = Command::new("git").current_dir(root()).args(["ls-files", "-co", "--exclude-standard"]).output();
    match output {
        Ok(output) if output.status.success() => {
            let files = String::from_utf8(output.stdout)?;
            Ok(files.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect())
        }
        _ => {
            let mut found = Vec::new();
            walk(&root(), Path::new(""), &mut found)?;
            Ok(found)
        }
    }
}

fn walk(root: &Path, below: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.push(path.display().to_string());
        }
    }
    Ok(())
}

/// Licences that may be linked into the binary.
const LICENCES: [&str; 14] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "MIT-0",
    "CDLA-Permissive-2.0",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
    "BSL-1.0",
    "MPL-2.0",
];
/// Of a developer's tool, linked into nothing that is shipped.
const TOOLS: [(&str, &str); 1] = [("inferno", "CDDL-1.0")];

/// The workspace's version is that of every package; what can't read it there repeats it.
fn version() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in ["bindings-node/package.json", "bindings-node/package-lock.json"] {
        let package: Value = serde_json::from_str(&std::fs::read_to_string(root().join(file))?)?;
        if package["version"] != env!("CARGO_PKG_VERSION") {
            findings.push(format!("{file}: not the version of Cargo.toml, {}", env!("CARGO_PKG_VERSION")));
        }
    }
    Ok(findings)
}

/// Never in the tree: another TLS stack beside rustls.
const BANNED: [&str; 3] = ["openssl", "openssl-sys", "native-tls"];

/// Licences, bans and sources over `cargo metadata`; a line in docs/dependencies.md for each direct dependency.
fn dependencies() -> Result<Vec<String>> {
    let output = Command::new("cargo")
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut findings = Vec::new();
    let listed = std::fs::read_to_string(root().join("docs/dependencies.md"))?;
    let resolved: BTreeSet<&str> =
        metadata["resolve"]["nodes"].as_array().into_iter().flatten().filter_map(|node| node["id"].as_str()).collect();
    for package in metadata["packages"].as_array().context("packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        let is_ours = package["source"].is_null();
        if is_ours {
            for dependency in package["dependencies"].as_array().into_iter().flatten() {
                let direct = dependency["name"].as_str().unwrap_or_default();
                if !dependency["source"].is_null() && !listed.contains(&format!("`{direct}`")) {
                    findings.push(format!("docs/dependencies.md: no line for `{direct}`"));
                }
            }
            continue;
        }
        if !resolved.contains(package["id"].as_str().unwrap_or_default()) {
            continue;
        }
        if BANNED.contains(&name) {
            findings.push(format!("{name} is banned"));
        }
        if !package["source"].as_str().unwrap_or_default().starts_with("registry+") {
            findings.push(format!("{name} does not come from the registry"));
        }
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        // Of alternatives one must do; of a conjunction each.
        let fits = licence.split(" OR ").any(|choice| {
            let parts = choice.trim_matches(['(', ')', ' ']).split(" AND ");
            parts
                .map(|part| part.trim_matches(['(', ')', ' ']))
                .all(|part| LICENCES.contains(&part) || part == "Apache-2.0 WITH LLVM-exception")
        });
        if !fits && !TOOLS.contains(&(name, licence.as_str())) {
            findings.push(format!("{name}: licence `{licence}`"));
        }
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// Files name no machine's folders and no registry's host.
fn paths() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in tracked()?.into_iter().filter(|path| !path.ends_with(".lock")) {
        let Ok(text) = std::fs::read_to_string(root().join(PathBuf::from(&path))) else { continue };
        for word in ["/ro\u{6f}t/", "/hom\u{65}/", "artifac\u{74}ory", "npmjs.c\u{6f}m", "pypi.\u{6f}rg"] {
            if text.contains(word) {
                findings.push(format!("{path}: names {word}"));
            }
        }
    }
    Ok(findings)
}
