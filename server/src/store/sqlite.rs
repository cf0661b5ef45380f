//! SQLite: a file of one server's own.

use super::connect::FOREIGN;
use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, flock};
use sea_orm::{ConnectOptions, DatabaseConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether a statement found a page of the file that can't be right, since this process started.
static IS_DAMAGED: AtomicBool = AtomicBool::new(false);
/// The file of this process.
static FILE: OnceLock<PathBuf> = OnceLock::new();

pub(super) fn is_damaged() -> bool {
    IS_DAMAGED.load(Ordering::Relaxed)
}

/// Notes what an error says of the file: CORRUPT (11), NOTADB (26). Says it once: each statement that meets the page would.
pub(super) fn note_damage(code: u32) {
    if matches!(code, 11 | 26) && !IS_DAMAGED.swap(true, Ordering::Relaxed) {
        let file = FILE.get().map(|file| file.display().to_string()).unwrap_or_default();
        tracing::error!(file, "the database file is damaged: restore it from a backup");
    }
}

pub(super) async fn connect(path: &Path, connections: u32) -> Result<DatabaseConnection> {
    let _ = FILE.set(path.to_owned());
    let mut options = ConnectOptions::new(text(path));
    options.max_connections(connections).min_connections(connections).test_before_acquire(false);
    options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>).record_stmt_in_spans(false);
    super::log_statements(&mut options);
    options.map_sqlx_sqlite_opts(tuned);
    sea_orm::Database::connect(options)
        .await
        .map_err(|error| Error::internal(format!("the database {} can't be opened: {error}", path.display())))
}

/// Refuses the file of another program, and changes nothing that it has committed.
pub(super) async fn check(path: &Path) -> Result<()> {
    // The first migration makes both or none; the table of migrations, which comes before it, is every SeaORM program's.
    const ASK: &str = "SELECT count(*), count(*) FILTER (WHERE name IN ('key_record', 'audit_head')) FROM sqlite_schema \
        WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations'";
    if !path.exists() {
        return Ok(());
    }
    let refuse = |why: &dyn std::fmt::Display| Error::internal(format!("the database {} {why}", path.display()));
    let unusable = |error: sqlx::Error| refuse(&format_args!("can't be opened: {error}"));
    let ask = async |options: SqliteConnectOptions| -> sqlx::Result<(i64, i64)> {
        let mut connection = super::logged(options).connect().await?;
        let counts = sqlx::query_as(ASK).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(counts)
    };
    // Where a crash has left a log, a last connection that could write would clear it; where nothing was left, none is made.
    let is_clean = ["-wal", "-journal"].iter().all(|end| !beside(path, end).exists());
    let counts = match ask(address(path)?.read_only(true).immutable(is_clean)).await {
        // A transaction that a crash has left halfway is undone by whoever reads next.
        Err(error) if is_read_only(&error) => ask(address(path)?).await,
        other => other,
    };
    let (tables, own) = counts.map_err(unusable)?;
    if tables > 0 && own < 2 { Err(refuse(&FOREIGN)) } else { Ok(()) }
}

/// A file that SQLite keeps beside a database.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// SQLite's READONLY (8), whatever the reason.
fn is_read_only(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == 8)
}

/// How every connection is set, a pool's or not. Pages of 4 KiB (a database that is there keeps its own), a cache of 2 MB and
/// a log of 1,000 pages are SQLite's own: a larger cache costs each commit that balances a tree a walk over all of it. What
/// SQLite keeps for the time of a statement stays in memory: it would be a file for each that changes more than 16 pages, and
/// copies of sealed rows on the disk.
pub(super) fn tuned(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(false)
        .pragma("secure_delete", "on")
        .pragma("temp_store", "memory")
        .statement_cache_capacity(256)
        .row_buffer_size(1_024)
}

pub(super) fn address(path: &Path) -> Result<SqliteConnectOptions> {
    text(path).parse().map_err(Error::unavailable)
}

fn text(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path.parent().unwrap_or(Path::new("."))).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Takes the lock beside the database, or names the process that holds it.
pub(super) fn lock(database: &Path) -> Result<File> {
    let path = database.with_extension("lock");
    let describe =
        |error: std::io::Error| Error::internal(format!("the lock {} can't be opened: {error}", path.display()));
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(describe)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder).map_err(describe)?;
        let text = format!(
            "another server (process {}) uses the data folder {}",
            holder.trim(),
            path.parent().unwrap_or(&path).display()
        );
        return Err(Error::internal(text));
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(describe)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `.cargo/config.toml` says of SQLite has reached its compiler.
    #[tokio::test]
    async fn sqlite_is_compiled_as_it_is_used_here() {
        let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
        let ask = sqlx::query_scalar("PRAGMA compile_options");
        let options: Vec<String> = ask.fetch_all(&mut connection).await.unwrap();
        assert!(options.contains(&"DEFAULT_MEMSTATUS=0".to_owned()), "{options:?}");
        let unused = |option: &&String| ["ENABLE_MEMORY_MANAGEMENT", "ENABLE_FTS5"].contains(&option.as_str());
        assert_eq!(options.iter().find(unused), None);
    }

    /// No kill of a process shows what only the loss of the machine would: that a commit waits for the disk.
    #[tokio::test]
    async fn a_commit_is_synced_and_what_is_deleted_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = tuned(address(&folder.path().join("a.db")).unwrap()).connect().await.unwrap();
        let mut ask = async |name: &str| -> String {
            let text = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&mut connection).await.unwrap()
        };
        assert_eq!(ask("journal_mode").await, "wal");
        assert_eq!(ask("synchronous").await, "2", "FULL: the log is synced with each commit");
        assert_eq!(ask("secure_delete").await, "1");
        assert_eq!(ask("temp_store").await, "2", "nothing sealed is copied to another file");
    }
}
