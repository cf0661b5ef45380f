//! Configuration: one TOML file, overridden by `KEEPWARD_*` in the environment (`*_FILE` reads the value from a file), a
//! few flags over both. Everything is checked at start, and every error is named at once.

use crate::caller::Rate;
use crate::caller::conditions::parse_network;
use crate::error::{Error, Result};
use crate::store::{DatabaseUrl, PostgresUrl};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signup {
    Open,
    /// Only while there is no user.
    First,
    Invited,
    Closed,
}

/// Certificate chain and private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub tls: Option<Tls>,
    pub data_dir: PathBuf,
    /// Origins whose pages may read answers (CORS).
    pub cors_origins: Vec<String>,
    pub database: DatabaseUrl,
    pub master_key_file: PathBuf,
    pub public_url: String,
    pub signup: Signup,
    /// `None` is off.
    pub rate_limit: Option<Rate>,
    pub trusted_proxies: Vec<IpNet>,
    pub min_free_bytes: u64,
    /// Where `/metrics` is answered; nowhere by default.
    pub metrics_listen: Option<SocketAddr>,
    pub log: tracing::Level,
}

/// Every name that means something, with its default.
pub const SETTINGS: &[(&str, &str)] = &[
    ("KEEPWARD_LISTEN", "127.0.0.1:8443"),
    ("KEEPWARD_TLS_CERT", ""),
    ("KEEPWARD_TLS_KEY", ""),
    ("KEEPWARD_INSECURE_HTTP", "false"),
    ("KEEPWARD_DATA_DIR", "./keepward-data"),
    ("KEEPWARD_DATABASE_URL", "SQLite in the data folder"),
    ("KEEPWARD_PUBLIC_URL", "http://<listen>"),
    ("KEEPWARD_CORS_ORIGINS", "the public URL"),
    ("KEEPWARD_SIGNUP", "open on loopback, else first"),
    ("KEEPWARD_KEYSTORE", "software"),
    ("KEEPWARD_MASTER_KEY_FILE", "master.key in the data folder"),
    ("KEEPWARD_SMTP_URL", ""),
    ("KEEPWARD_BILLING", "off"),
    ("KEEPWARD_RATE_LIMIT", "100/s,200"),
    ("KEEPWARD_TRUSTED_PROXIES", ""),
    ("KEEPWARD_MIN_FREE", "256MB"),
    ("KEEPWARD_UNSAFE_POSTGRES", "false"),
    ("KEEPWARD_LOG", "info"),
    ("KEEPWARD_METRICS_LISTEN", ""),
];

/// What the SDK and tests set, which a server that inherits it may ignore.
const NOT_OURS: [&str; 4] = ["KEEPWARD_URL", "KEEPWARD_AGENT_KEY", "KEEPWARD_USER_KEY", "KEEPWARD_TEST"];

/// Values by name, and what was wrong with them.
struct Reading {
    values: BTreeMap<String, String>,
    errors: Vec<String>,
}

impl Reading {
    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// Parses a value, or notes what would be right.
    fn parsed<T>(&mut self, name: &str, right: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?.to_owned();
        let value = parse(&text);
        if value.is_none() {
            // Without the value: it may be a secret in the wrong place.
            self.errors.push(format!("{name} is not {right}"));
        }
        value
    }
}

/// What the command line may say.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub listen: Option<String>,
    pub data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads file, environment and flags.
    pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut reading = Reading { values: BTreeMap::new(), errors: Vec::new() };
        if let Some(file) = &flags.config {
            read_file(&mut reading, file);
        }
        read_environment(&mut reading, environment);
        if let Some(listen) = &flags.listen {
            reading.values.insert("KEEPWARD_LISTEN".to_owned(), listen.clone());
        }
        if let Some(folder) = &flags.data_dir {
            reading.values.insert("KEEPWARD_DATA_DIR".to_owned(), folder.display().to_string());
        }
        let config = check(&mut reading);
        match config {
            Some(config) if reading.errors.is_empty() => Ok(config),
            _ => Err(Error::invalid(reading.errors.join("; "))),
        }
    }

    /// Makes the data folder with mode 0700, and refuses one that can't be written.
    pub fn prepare_data_dir(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = &self.data_dir;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        tighten(folder);
        if let DatabaseUrl::Sqlite(database) = &self.database {
            for end in ["", "-wal", "-shm"] {
                let mut file = database.as_os_str().to_owned();
                file.push(end);
                tighten(Path::new(&file));
            }
        }
        let probe = folder.join(format!(".write-{}", std::process::id()));
        let written = made.and_then(|()| std::fs::write(&probe, b"")).and_then(|()| std::fs::remove_file(&probe));
        written
            .map_err(|error| Error::internal(format!("the data folder {} can't be written: {error}", folder.display())))
    }
}

/// Takes the rights of group and others from a file or folder that is there. Where that fails (a volume whose group is
/// Kubernetes' fsGroup), warns.
fn tighten(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return;
    }
    let tightened = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700));
    let mode = format!("{mode:04o}");
    match tightened {
        Ok(()) => tracing::warn!(path = %path.display(), mode, "its mode was wider than this user's alone: tightened"),
        Err(error) => {
            tracing::warn!(path = %path.display(), mode, %error, "others may read it, and its mode can't be changed");
        }
    }
}

fn is_known(name: &str) -> bool {
    SETTINGS.iter().any(|(known, _)| *known == name)
}

fn read_file(reading: &mut Reading, file: &Path) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return reading.errors.push(format!("--config {}: {error}", file.display())),
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(_) => return reading.errors.push(format!("--config {} is not TOML", file.display())),
    };
    for (key, value) in table {
        let name = format!("KEEPWARD_{}", key.to_uppercase());
        if !is_known(&name) {
            reading.errors.push(format!("--config has an unknown setting `{key}`"));
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        reading.values.insert(name, value);
    }
}

fn read_environment(reading: &mut Reading, environment: impl IntoIterator<Item = (String, String)>) {
    for (name, value) in environment.into_iter().filter(|(name, _)| name.starts_with("KEEPWARD_")) {
        if is_known(&name) {
            reading.values.insert(name, value);
        } else if let Some(base) = name.strip_suffix("_FILE").filter(|base| is_known(base)) {
            match std::fs::read_to_string(&value) {
                Ok(text) => drop(reading.values.insert(base.to_owned(), text.trim().to_owned())),
                Err(error) => reading.errors.push(format!("{name}: {error}")),
            }
        } else if !NOT_OURS.contains(&name.as_str()) {
            reading.errors.push(format!("{name} is not a setting of this version"));
        }
    }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "on" | "1" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn rate(text: &str) -> Option<Option<Rate>> {
    if text == "off" {
        return Some(None);
    }
    let (per_second, burst) = text.split_once("/s,")?;
    let (per_second, burst) = (per_second.trim().parse::<u32>().ok()?, burst.trim().parse::<u32>().ok()?);
    (per_second > 0 && burst > 0).then(|| Some(Rate { per_second: per_second.into(), burst: burst.into() }))
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn check(reading: &mut Reading) -> Option<Config> {
    let listen = match reading.text("KEEPWARD_LISTEN").is_some() {
        true => {
            reading.parsed("KEEPWARD_LISTEN", "an address and port such as 127.0.0.1:8443", |text| text.parse().ok())
        }
        false => Some(SocketAddr::from(([127, 0, 0, 1], 8443))),
    };
    let data_dir = PathBuf::from(reading.text("KEEPWARD_DATA_DIR").unwrap_or("./keepward-data"));
    let unsafe_postgres = reading.parsed("KEEPWARD_UNSAFE_POSTGRES", "true or false", flag).unwrap_or(false);
    let database = database(reading, &data_dir, unsafe_postgres);
    let tls = match (reading.text("KEEPWARD_TLS_CERT"), reading.text("KEEPWARD_TLS_KEY")) {
        (Some(certificate), Some(key)) => Some(Tls { certificate: certificate.into(), key: key.into() }),
        (None, None) => None,
        _ => {
            reading.errors.push("KEEPWARD_TLS_CERT and KEEPWARD_TLS_KEY go together".to_owned());
            None
        }
    };
    let trusted_proxies = reading.parsed("KEEPWARD_TRUSTED_PROXIES", "a list of CIDRs, separated by commas", |text| {
        text.split(',').map(|item| parse_network(item.trim())).collect::<Option<Vec<_>>>()
    });
    let trusted_proxies = trusted_proxies.unwrap_or_default();
    let insecure = reading.parsed("KEEPWARD_INSECURE_HTTP", "true or false", flag).unwrap_or(false);
    let signup = reading.parsed("KEEPWARD_SIGNUP", "open, first, invited or closed", |text| match text {
        "open" => Some(Signup::Open),
        "first" => Some(Signup::First),
        "invited" => Some(Signup::Invited),
        "closed" => Some(Signup::Closed),
        _ => None,
    });
    let rate_limit = match reading.text("KEEPWARD_RATE_LIMIT") {
        None => Some(Rate { per_second: 100.0, burst: 200.0 }),
        Some(_) => {
            reading.parsed("KEEPWARD_RATE_LIMIT", "off, or a rate and a burst such as 100/s,200", rate).flatten()
        }
    };
    let min_free_bytes = reading.parsed("KEEPWARD_MIN_FREE", "a size such as 256MB", bytes).unwrap_or(256_000_000);
    let metrics_listen =
        reading
            .parsed("KEEPWARD_METRICS_LISTEN", "an address and port such as 127.0.0.1:9464", |text| text.parse().ok());
    let log = reading.parsed("KEEPWARD_LOG", "error, warn, info, debug or trace", |text| text.parse().ok());
    let public_url = reading.parsed("KEEPWARD_PUBLIC_URL", "an http or https address without a path", |text| {
        origin(text.strip_suffix('/').unwrap_or(text))
    });
    let cors_origins =
        reading.parsed("KEEPWARD_CORS_ORIGINS", "a list of http or https addresses without a path", |text| {
            text.split(',').map(|item| origin(item.trim())).collect::<Option<Vec<_>>>()
        });
    later(reading);
    let listen = listen?;
    let loopback = listen.ip().is_loopback();
    if !loopback && tls.is_none() && trusted_proxies.is_empty() && !insecure {
        reading.errors.push(
            "KEEPWARD_LISTEN is not a loopback address: give KEEPWARD_TLS_CERT and KEEPWARD_TLS_KEY, or KEEPWARD_TRUSTED_PROXIES, or say KEEPWARD_INSECURE_HTTP=true".to_owned(),
        );
    }
    let master_key_file = reading.text("KEEPWARD_MASTER_KEY_FILE").map(PathBuf::from);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let public_url = public_url.unwrap_or_else(|| format!("{scheme}://{listen}"));
    Some(Config {
        listen,
        cors_origins: cors_origins.unwrap_or_else(|| vec![public_url.clone()]),
        public_url,
        tls,
        master_key_file: master_key_file.unwrap_or_else(|| data_dir.join("master.key")),
        data_dir,
        database: database?,
        signup: signup.unwrap_or(if loopback { Signup::Open } else { Signup::First }),
        rate_limit,
        trusted_proxies,
        min_free_bytes,
        metrics_listen,
        log: log.unwrap_or(tracing::Level::INFO),
    })
}

/// Scheme, host and port of an address that has nothing else.
fn origin(text: &str) -> Option<String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    (!host.is_empty() && host.bytes().all(is_plain)).then(|| text.to_owned())
}

fn database(reading: &mut Reading, data_dir: &Path, unsafe_postgres: bool) -> Option<DatabaseUrl> {
    const NAME: &str = "KEEPWARD_DATABASE_URL";
    let Some(text) = reading.text(NAME) else { return Some(DatabaseUrl::Sqlite(data_dir.join("keepward.db"))) };
    if text.starts_with("postgres") {
        return match PostgresUrl::parse(text, unsafe_postgres) {
            Ok(url) => Some(DatabaseUrl::Postgres(url)),
            Err(why) => {
                reading.errors.push(format!("{NAME} {why}"));
                None
            }
        };
    }
    reading.parsed(NAME, "sqlite:<file>, or postgres://user:password@host/database", |text| {
        let path = text.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        (!path.is_empty()).then(|| DatabaseUrl::Sqlite(PathBuf::from(path)))
    })
}

/// What this version has to refuse instead of ignoring it.
fn later(reading: &mut Reading) {
    reading.parsed("KEEPWARD_KEYSTORE", "software (pkcs11 comes with a later version)", |text| {
        (text == "software").then_some(())
    });
    reading
        .parsed("KEEPWARD_BILLING", "off (billing comes with a later version)", |text| (text == "off").then_some(()));
    if reading.text("KEEPWARD_SMTP_URL").is_some() {
        reading.errors.push("KEEPWARD_SMTP_URL can't be used: mail comes with a later version".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(values: &[(&str, &str)]) -> Result<Config> {
        Config::load(&Flags::default(), values.iter().map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn defaults() {
        let config = load(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8443");
        assert_eq!(config.public_url, "http://127.0.0.1:8443");
        assert_eq!(config.signup, Signup::Open);
        assert_eq!(
            load(&[("KEEPWARD_LISTEN", "0.0.0.0:1"), ("KEEPWARD_INSECURE_HTTP", "true")]).unwrap().signup,
            Signup::First
        );
    }

    #[test]
    fn wrong_values_are_named_and_not_repeated() {
        for (name, value) in [
            ("KEEPWARD_LISTEN", "hunter2"),
            ("KEEPWARD_LISTEN", "0.0.0.0:8443"),
            ("KEEPWARD_SIGNUP", "hunter2"),
            ("KEEPWARD_RATE_LIMIT", "hunter2"),
            ("KEEPWARD_RATE_LIMIT", "0/s,1"),
            ("KEEPWARD_TRUSTED_PROXIES", "hunter2"),
            ("KEEPWARD_MIN_FREE", "hunter2"),
            ("KEEPWARD_LOG", "hunter2"),
            ("KEEPWARD_METRICS_LISTEN", "hunter2"),
            ("KEEPWARD_PUBLIC_URL", "hunter2"),
            ("KEEPWARD_CORS_ORIGINS", "*"),
            ("KEEPWARD_CORS_ORIGINS", "https://a.example.com, hunter2"),
            ("KEEPWARD_DATABASE_URL", "postgres://hunter2"),
            ("KEEPWARD_KEYSTORE", "pkcs11"),
            ("KEEPWARD_BILLING", "on"),
            ("KEEPWARD_SMTP_URL", "smtp://hunter2"),
            ("KEEPWARD_TLS_CERT", "hunter2"),
            ("KEEPWARD_TYPO", "hunter2"),
            ("KEEPWARD_INSECURE_HTTP", "hunter2"),
        ] {
            let error = load(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hunter2"), "{name}: {error}");
        }
        let both = load(&[("KEEPWARD_LOG", "x"), ("KEEPWARD_SIGNUP", "x")]).unwrap_err().to_string();
        assert!(both.contains("KEEPWARD_LOG") && both.contains("KEEPWARD_SIGNUP"), "{both}");
    }
}
