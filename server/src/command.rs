//! The binary's commands.

use crate::app::App;
use crate::config::{Config, Flags, SETTINGS};
use crate::error::{Error, Result};
use crate::{http, jobs};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long requests in flight may take at a graceful stop.
const STOP_TIME: Duration = Duration::from_secs(30);

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
    let config = Config::load(&flags, std::env::vars())?;
    start_log(config.log);
    forbid_core_dumps();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Migrate => {
            let (app, writing) = App::open(config, false).await?;
            close(app, writing).await;
            Ok(())
        }
    }
}

async fn close(app: App, writing: crate::app::Writing) {
    let database = Arc::clone(&app.database);
    drop(app);
    writing.finish().await;
    database.close().await;
}

async fn serve(config: Config) -> Result<()> {
    let (app, writing) = App::open(config, true).await?;
    let app = Arc::new(app);
    let listening = http::listen(Arc::clone(&app))?;
    let (stop, stopping) = watch::channel(false);
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app), stopping));
    tracing::info!(address = %listening.address(), "listening");
    wait_for_signal().await?;
    tracing::info!("stopping");
    if tokio::time::timeout(STOP_TIME, listening.close()).await.is_err() {
        tracing::warn!("requests in flight were cut off");
    }
    let _ = stop.send(true);
    jobs.await.map_err(Error::internal)?;
    match Arc::try_unwrap(app) {
        Ok(app) => close(app, writing).await,
        Err(app) => app.database.close().await,
    }
    tracing::info!("stopped");
    Ok(())
}

async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// JSON lines to stderr, of this crate only: what libraries log may hold URIs and values.
fn start_log(level: tracing::Level) {
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let ours = Targets::new().with_target("keepward_server", level);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first log.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
}

/// A core dump would hold keys.
fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if setrlimit(Resource::Core, none).is_err() || set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        tracing::warn!("core dumps could not be turned off");
    }
}
