//! The SDKs as their users get them. `cargo xtask sdk` puts them through everything that `tests/e2e` has, against a release
//! server; `cargo xtask package` makes what is published, and installs each of it into an empty place.

mod mirror;
pub(crate) mod node;
pub(crate) mod python;
mod rust;

use crate::root;
use crate::run::{Profile, SERVED, Server, TemporaryFolder, build, target_folder};
use anyhow::{Context, Result, bail, ensure};
use mirror::Mirror;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What every secret value of a run begins with, what those of `tests/e2e/calls.json` and of the examples are, and the
/// password of whoever signs up: nothing prints them.
const SECRETS: [&str; 5] = ["sk-of-this-run", "sealed-sample", "sk_live", "hunter2", "Word-of-this-run"];
/// How keys and tokens begin, and more characters than a key's public prefix has.
const KEYS: ([&str; 3], usize) = (["ocv_", "1ck_", "eyJ"], 30);

/// A server, and a place for packages and what they are installed into.
pub(crate) struct Scene {
    folder: TemporaryFolder,
    pub(crate) server: Server,
}

impl Scene {
    /// On a server as the tests have it, or, for what is measured, on one of release.
    pub(crate) fn set(profile: Profile) -> Result<Self> {
        let examples = ["--example", rust::EXAMPLE, "--example", rust::TOUR];
        let binary = build(profile, &[SERVED, &examples].concat())?;
        let folder = TemporaryFolder::new("sdk")?;
        let server = Server::start(&binary, &folder.0.join("data"), &[("KEEPWARD_RATE_LIMIT", "off")])?;
        Ok(Self { folder, server })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }

    /// Runs a program as an application on this server, or on the mirror before it; what it prints holds no secret.
    fn run_test(&self, command: &mut Command, mirror: Option<&Mirror>) -> Result<()> {
        let log = self.path("printed");
        let file = std::fs::File::create(&log)?;
        command.env("KEEPWARD_URL", &self.server.url).env("KEEPWARD_E2E", root().join("tests/e2e"));
        command.envs(mirror.map(|mirror| ("KEEPWARD_E2E_SERVERS", &mirror.urls)));
        command.env("KEEPWARD_E2E_SECRET", SECRETS[0]);
        let status = command.stdout(file.try_clone()?).stderr(file).status()?;
        let printed = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        let tail: Vec<&str> = printed.lines().rev().take(40).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        ensure!(status.success(), "{command:?} failed:\n{tail}");
        for secret in SECRETS {
            ensure!(!printed.contains(secret), "{command:?} prints a secret ({secret}): see {printed}");
        }
        ensure!(!shows_key(&printed), "{command:?} prints a key or a token: see {printed}");
        println!("{}: {} lines printed, no secret among them", name_of(command), printed.lines().count());
        Ok(())
    }

    /// Runs a quickstart in an empty folder: of what it is told it needs where the server is, and nothing else.
    fn run_quickstart(&self, command: &mut Command) -> Result<()> {
        println!("== {} in {}", name_of(command), command.get_current_dir().unwrap_or(Path::new(".")).display());
        self.run_test(command, None)
    }
}

/// Whether a whole key or token stands in a text; the document's examples are all the same letter.
fn shows_key(text: &str) -> bool {
    let (beginnings, length) = KEYS;
    let is_whole = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_-.".contains(c)).unwrap_or(rest.len());
        end >= length && rest.bytes().take(end).any(|c| c != b'A')
    };
    beginnings.iter().any(|beginning| text.split(beginning).skip(1).any(is_whole))
}

/// The last argument of a command that is no option, as its user calls it.
fn name_of(command: &Command) -> String {
    let words = command.get_args().filter(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let last = words.last().unwrap_or(command.get_program());
    Path::new(last).file_name().unwrap_or(last).to_string_lossy().into_owned()
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} can't be run"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

/// The one file of a folder that ends like this.
fn only(folder: &Path, end: &str) -> Result<PathBuf> {
    let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let mut files = files.into_iter().filter(|file| file.to_string_lossy().ends_with(end));
    let file = files.next().with_context(|| format!("no {end} in {}", folder.display()))?;
    ensure!(files.next().is_none(), "more than one {end} in {}", folder.display());
    Ok(file)
}

fn size(file: &Path) -> Result<String> {
    Ok(format!("{:.1} MB", std::fs::metadata(file)?.len() as f64 / 1e6))
}

pub(crate) fn sdk(only: Option<&str>) -> Result<()> {
    type Test = fn(&Scene) -> Result<()>;
    let all: [(&str, Test); 3] = [("rust", rust::test), ("python", python::test), ("node", node::test)];
    ensure!(only.is_none_or(|only| all.iter().any(|(name, _)| *name == only)), "rust, python or node");
    let scene = Scene::set(Profile::Dev)?;
    for (name, test) in all.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        println!("== SDK: {name}");
        test(&scene)?;
    }
    Ok(())
}

/// Makes every package in `target/packages`, installs each into an empty place, and runs its quickstart there.
pub(crate) fn package() -> Result<()> {
    let scene = Scene::set(Profile::Dev)?;
    let packages = target_folder().join("packages");
    if packages.exists() {
        std::fs::remove_dir_all(&packages)?;
    }
    std::fs::create_dir_all(&packages)?;
    python::package(&scene, &packages)?;
    node::package(&scene, &packages)?;
    rust::package(&scene, &packages)?;
    let mut files = std::fs::read_dir(&packages)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        println!("{}: {}", file.display(), size(file)?);
    }
    Ok(())
}

/// A package that is too large to be downloaded at every build of somebody's image.
fn check_size(file: &Path) -> Result<()> {
    const MOST: u64 = 8_000_000;
    let length = std::fs::metadata(file)?.len();
    if length > MOST {
        bail!("{} has {length} bytes, more than {MOST}", file.display());
    }
    Ok(())
}

/// A command that says what goes wrong and nothing else.
fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdout(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_no_key() {
        assert!(!shows_key("key_prefix='1ck_M0Z01TAx', ocv_no_such_key eyJ"));
        assert!(!shows_key(&format!("ocv_{}", "A".repeat(43))));
        for beginning in KEYS.0 {
            assert!(shows_key(&format!("key {beginning}{} and more", "aB3_-".repeat(7))));
        }
    }
}
