//! The binary's commands.

use crate::app::{App, Open};
use crate::audit::{self, SERVER_CHAIN, SignedHeads};
use crate::caller::{Role, check_rule, loose_scopes};
use crate::config::{Config, Flags, SETTINGS};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::operations::auth::service;
use crate::{http, jobs};
use clap::{Parser, Subcommand};
use keepward_api::SecretText;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::filter::Targets;

/// How long requests in flight may take at a graceful stop: Docker kills who has not ended after ten seconds, and there is more
/// to do after them.
const STOP_TIME: Duration = Duration::from_secs(7);

/// A self-hosted vault and signing service for AI agents and the people who run them.
#[derive(Parser)]
#[command(name = "keepward-server", version, after_help = settings())]
pub struct Arguments {
    /// A TOML file with settings; their names are those below in lower case, without KEEPWARD_.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Folder of database, master key and mail outbox.
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests (what happens without a command, too).
    Serve,
    /// Bring the database to this version, and stop.
    Migrate,
    /// Manage users.
    #[command(subcommand)]
    User(User),
    /// Manage operators of the server.
    #[command(subcommand)]
    Operator(Operator),
    /// Check the audit trail.
    #[command(subcommand)]
    Audit(Audit),
}

#[derive(Subcommand)]
enum User {
    /// Add a member to an organisation; prints their id, and a new password unless one is given.
    Add {
        email: String,
        /// The organisation's id.
        #[arg(long)]
        org: String,
        /// owner, admin or member.
        #[arg(long, default_value = "member")]
        role: String,
        /// Read the password from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Subcommand)]
enum Operator {
    /// Let a user use /v1/admin.
    Grant { email: String },
}

#[derive(Subcommand)]
enum Audit {
    /// Walk every chain; names everything that is not as it was written, and fails if there is anything.
    Verify {
        /// Print one JSON document, for a machine.
        #[arg(long)]
        json: bool,
        /// Heads that `audit head` printed earlier and somebody kept elsewhere: without them nobody can tell whether the end
        /// of a chain is missing together with its head.
        #[arg(long)]
        head: Option<PathBuf>,
    },
    /// Print the signed heads of all chains, to be kept elsewhere.
    Head,
}

fn settings() -> String {
    let mut text = String::from("Settings (environment over file; <NAME>_FILE reads a value from a file):\n");
    for (name, default) in SETTINGS {
        let default = if default.is_empty() { "none" } else { default };
        text.push_str(&format!("  {name:<26} {default}\n"));
    }
    text
}

/// Runs what the command line asks for.
pub async fn run(arguments: Arguments) -> Result<()> {
    let flags = Flags { config: arguments.config, listen: arguments.listen, data_dir: arguments.data_dir };
    let config = Config::load(&flags, variables()?)?;
    // Whatever is made below is for this user alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let log = start_log(config.log);
    forbid_core_dumps();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config, flags, log).await,
        command => {
            let how = if matches!(command, Command::Migrate) { Open::Migrate } else { Open::Beside };
            let (app, writing) = App::open(config, how).await?;
            let outcome = host(&app, command).await;
            close(app, writing).await;
            outcome
        }
    }
}

/// The environment's settings; whatever else it holds need not even be text.
fn variables() -> Result<Vec<(String, String)>> {
    let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    ours.filter(|(name, _)| name.starts_with("KEEPWARD_"))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(Error::invalid(format!("{name} is not UTF-8"))),
        })
        .collect()
}

/// Commands that work beside a running server.
async fn host(app: &App, command: Command) -> Result<()> {
    match command {
        Command::Serve => Ok(()),
        Command::Migrate => {
            for (kind, id, scope) in loose_scopes(&app.database.readers()).await? {
                say(&format!(
                    "{kind} {id}: the scope {scope:?} is no glob and limits nothing; make it one, or a label"
                ));
            }
            Ok(())
        }
        Command::User(User::Add { email, org, role, password_stdin }) => {
            let email = email.parse().map_err(|rule: keepward_api::Invalid| Error::invalid(rule.to_string()))?;
            let org = org.parse().map_err(|rule: keepward_api::Invalid| Error::invalid(rule.to_string()))?;
            let known = [Role::Owner, Role::Admin, Role::Member].into_iter().find(|known| known.word() == role);
            let role = known.ok_or_else(|| Error::invalid("--role is owner, admin or member"))?;
            let password = if password_stdin { read_password()? } else { make_password()? };
            let id = service::add_user(app, email, org, role, password.clone()).await?;
            say(&format!("{id}"));
            if !password_stdin {
                say(password.expose());
            }
            Ok(())
        }
        Command::Operator(Operator::Grant { email }) => {
            let email = email.parse().map_err(|rule: keepward_api::Invalid| Error::invalid(rule.to_string()))?;
            let id = service::grant_operator(app, email).await?;
            say(&format!("{id}"));
            Ok(())
        }
        Command::Audit(Audit::Head) => {
            let heads = sign_heads(app).await?;
            say(&serde_json::to_string_pretty(&heads).map_err(Error::internal)?);
            Ok(())
        }
        Command::Audit(Audit::Verify { json, head }) => verify(app, json, head).await,
    }
}

/// The signed heads of one snapshot, so that a server which goes on writing makes none of them old.
async fn sign_heads(app: &App) -> Result<SignedHeads> {
    audit::sign(&app.database.snapshot().await?, &app.keyring).await
}

async fn verify(app: &App, json: bool, head: Option<PathBuf>) -> Result<()> {
    let kept = match &head {
        None => None,
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Error::invalid(format!("--head {}: {error}", file.display())))?;
            let heads: SignedHeads = serde_json::from_str(&text)
                .map_err(|_| Error::invalid(format!("--head {} is not what `audit head` prints", file.display())))?;
            Some(heads)
        }
    };
    // One snapshot, so that a server which goes on writing looks like no tampering.
    let snapshot = app.database.snapshot().await?;
    let reports = audit::verify(&snapshot, &app.keyring, kept.as_ref()).await?;
    let broken = reports.iter().filter(|report| !report.breaks.is_empty()).count();
    if json {
        let document = serde_json::json!({"whole": broken == 0, "has_kept_heads": kept.is_some(), "chains": reports});
        say(&document.to_string());
    } else {
        reports.iter().for_each(say_report);
    }
    if broken > 0 {
        return Err(Error::invalid(format!("{broken} of {} chains are broken", reports.len())));
    }
    match kept {
        _ if json => {}
        Some(_) => say("All chains are whole, and contain the kept heads."),
        None => say(
            "All chains are whole. Their ends are unproven: give --head a file that `audit head` printed and that was kept elsewhere.",
        ),
    }
    Ok(())
}

/// What was found of a chain, in lines.
fn say_report(report: &audit::Report) {
    let name = match report.chain {
        SERVER_CHAIN => "server".to_owned(),
        chain => format!("organisation {chain}"),
    };
    if report.breaks.is_empty() {
        say(&format!("{name}: {} events, good", report.events));
    }
    if let Some((first, last)) = report.ahead_of_clock {
        say(&format!(
            "{name}: events {first} to {last} were written while the chain was ahead of the clock; their details have its time"
        ));
    }
    for fault in &report.breaks {
        let event = fault.event.map(|id| format!(" ({id})")).unwrap_or_default();
        say(&format!("{name}: broken at event {}{event}: {}", fault.sequence, fault.what));
    }
    if report.more_breaks > 0 {
        say(&format!("{name}: and broken at {} more", report.more_breaks));
    }
}

/// A password that keeps the rule, from 128 random bits.
fn make_password() -> Result<SecretText> {
    use base64::Engine;
    loop {
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(crate::seal::random::<16>()?.as_slice());
        let password = SecretText::from(format!("{text}#4qZ"));
        if check_rule(password.expose()).is_ok() {
            return Ok(password);
        }
    }
}

fn read_password() -> Result<SecretText> {
    let mut line = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line).map_err(Error::internal)?;
    Ok(line.trim_end_matches(['\r', '\n']).into())
}

#[expect(clippy::print_stdout, reason = "what a command is asked for goes to standard output")]
fn say(text: &str) {
    println!("{text}");
}

async fn close(app: App, writing: crate::app::Writing) {
    let database = Arc::clone(&app.database);
    drop(app);
    writing.finish().await;
    database.close().await;
}

async fn serve(config: Config, flags: Flags, log: LogLevel) -> Result<()> {
    // From here on it has begun, however long a database is waited for.
    LazyLock::force(&METRICS);
    let (app, writing) = App::open(config, Open::Serve).await?;
    let app = Arc::new(app);
    // Before anybody is told that the server is there: a signal then stops it well.
    let stopped = stop_signal()?;
    let hang_up = signal(SignalKind::hangup()).map_err(Error::internal)?;
    ignore_signals()?;
    let watched = app.config.metrics_listen.map(http::listen_for_metrics).transpose()?;
    if let Some(watched) = &watched {
        tracing::info!(metrics_address = %watched.address(), "metrics");
    }
    let listening = http::listen(Arc::clone(&app))?;
    let addresses = [Some(listening.address()), watched.as_ref().map(http::Watched::address)];
    // Where there is no /proc a server is as good as one without it.
    let _silence = http::SilenceWatch::start(addresses.into_iter().flatten().collect())
        .inspect_err(|error| tracing::warn!(%error, "/proc/self/fd can't be read: silent connections are not ended"));
    let (stop, stopping) = watch::channel(false);
    let reloading = tokio::spawn(reload(listening.identity(), flags, log, hang_up));
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app), stopping));
    tracing::info!(address = %listening.address(), "listening");
    stopped.await;
    tracing::info!("stopping");
    if tokio::time::timeout(STOP_TIME, listening.close()).await.is_err() {
        tracing::warn!("requests in flight were cut off");
    }
    if let Some(watched) = watched
        && tokio::time::timeout(Duration::from_secs(1), watched.close()).await.is_err()
    {
        tracing::warn!("somebody reads metrics and does not end");
    }
    reloading.abort();
    let _ = stop.send(true);
    jobs.await.map_err(Error::internal)?;
    write_heads(&app).await;
    match Arc::try_unwrap(app) {
        Ok(app) => close(app, writing).await,
        Err(app) => app.database.close().await,
    }
    tracing::info!("stopped");
    Ok(())
}

/// The signed heads as of a graceful stop, beside the database: an anchor, once they are kept elsewhere.
async fn write_heads(app: &App) {
    let file = app.config.data_dir.join("audit-heads.json");
    let written = match sign_heads(app).await {
        Ok(heads) => serde_json::to_vec_pretty(&heads)
            .map_err(Error::internal)
            .and_then(|text| replace(&file, &text).map_err(Error::internal)),
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::warn!(error = crate::store::error_chain(&error), "the audit heads could not be written");
    }
}

/// Puts a new file in the place of one, whole or not at all. A link there is replaced, not followed.
fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let new = file.with_extension("new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = std::fs::File::create_new(&new)?;
    written.write_all(text)?;
    written.sync_all()?;
    std::fs::rename(&new, file)?;
    file.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

/// Ends with SIGTERM or SIGINT, which are caught from now on.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// How often the files of certificate and key are looked at.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// Reads certificate, key and log level again at SIGHUP, and the first two when their files have changed. What can't be used
/// is logged, and what there was stays.
async fn reload(identity: Option<Arc<http::Identity>>, flags: Flags, log: LogLevel, mut hang_up: Signal) {
    loop {
        let is_asked = tokio::time::timeout(BETWEEN_LOOKS, hang_up.recv()).await.is_ok();
        if let Some(identity) = identity.clone() {
            // Files may be on a disk that does not answer.
            let _ = tokio::task::spawn_blocking(move || identity.reload(is_asked)).await;
        }
        if !is_asked {
            continue;
        }
        match variables().and_then(|variables| Config::load(&flags, variables)) {
            Ok(config) => {
                let _ = log.modify(|lines| *lines = lines_of(config.log));
                tracing::info!(log_level = %config.log, "the log level was read again; other settings need a restart");
            }
            Err(error) => {
                let error = crate::store::error_chain(&error);
                tracing::error!(error, "the configuration can't be read again: everything stays as it was");
            }
        }
    }
}

/// Signals that would end a process that knows nothing of them, sent by hand or by log rotation.
fn ignore_signals() -> Result<()> {
    for kind in [SignalKind::quit(), SignalKind::user_defined1(), SignalKind::user_defined2()] {
        let mut ignored = signal(kind).map_err(Error::internal)?;
        tokio::spawn(async move { while ignored.recv().await.is_some() {} });
    }
    Ok(())
}

/// Changes which lines are logged.
type LogLevel = tracing_subscriber::reload::Handle<Targets, tracing_subscriber::Registry>;

fn lines_of(level: tracing::Level) -> Targets {
    let ours = Targets::new().with_target("keepward_server", level);
    if level == tracing::Level::TRACE { ours.with_target("sqlx::query", level) } else { ours }
}

/// JSON lines to stderr, of this crate only: what libraries log may hold URIs and values. At the level `trace`, the texts of
/// statements, too, which hold none.
fn start_log(level: tracing::Level) -> LogLevel {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let (ours, handle) = tracing_subscriber::reload::Layer::new(lines_of(level));
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first log.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
    handle
}

/// A core dump would hold keys.
fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if setrlimit(Resource::Core, none).is_err() || set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        tracing::warn!("core dumps could not be turned off");
    }
}
