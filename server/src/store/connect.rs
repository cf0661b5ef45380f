//! Connections: one writer for the committer, a few readers.

use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, flock};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, Statement, TransactionTrait,
};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::RwLock;

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file of this server's own.
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    /// Whether there is a database; only a server and `migrate` make one.
    pub fn must_exist(&self) -> Result<()> {
        let Self::Sqlite(path) = self;
        match path.exists() {
            true => Ok(()),
            false => Err(Error::internal(format!("there is no database {}", path.display()))),
        }
    }
}

/// The open database.
pub struct Database {
    path: PathBuf,
    /// Absent while it could not be opened again after a failure.
    writer: RwLock<Option<DatabaseConnection>>,
    readers: DatabaseConnection,
    /// Held as long as the server runs; `None` beside a running server.
    _lock: Option<File>,
}

impl Database {
    /// Opens the database as its one server, or says who already is.
    pub async fn open_exclusively(url: &DatabaseUrl) -> Result<Self> {
        let DatabaseUrl::Sqlite(path) = url;
        let lock = lock(path)?;
        let mut database = Self::open(url).await?;
        database._lock = Some(lock);
        Ok(database)
    }

    /// Opens the database beside whoever uses it.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        let DatabaseUrl::Sqlite(path) = url;
        let writer = connect(path, 1).await?;
        let readers = connect(path, 3).await?;
        Ok(Self { path: path.clone(), writer: RwLock::new(Some(writer)), readers, _lock: None })
    }

    /// The writer's connection; opened again if the last one was given up.
    pub(super) async fn writer(&self) -> Result<DatabaseConnection> {
        if let Some(writer) = &*self.writer.read().await {
            return Ok(writer.clone());
        }
        let mut writer = self.writer.write().await;
        let fresh = connect(&self.path, 1).await.map_err(Error::unavailable)?;
        Ok(writer.insert(fresh).clone())
    }

    /// Gives the writer's connection up: after a failed transaction its state can't be trusted. SQLite may have undone the
    /// transaction by itself while sqlx still counts it as open; what is "committed" after that would be a savepoint.
    pub(super) async fn give_up_writer(&self) {
        if let Some(broken) = self.writer.write().await.take()
            && let Err(error) = broken.close_by_ref().await
        {
            tracing::warn!(%error, "closing a broken connection");
        }
    }

    /// Free bytes of the disk that the database is on, for who may use them.
    pub fn free_bytes(&self) -> Result<u64> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let disk = rustix::fs::statvfs(folder).map_err(|error| Error::unavailable(error.to_string()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// For statements that change nothing.
    pub fn readers(&self) -> &DatabaseConnection {
        &self.readers
    }

    /// A view of the database that does not change while it is read.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction> {
        Ok(self.readers.begin().await?)
    }

    pub fn backend(&self) -> DbBackend {
        self.readers.get_database_backend()
    }

    /// Whether a statement is answered within two seconds.
    pub async fn answers(&self) -> bool {
        let one = Statement::from_string(self.backend(), "SELECT 1");
        matches!(tokio::time::timeout(Duration::from_secs(2), self.readers.query_one_raw(one)).await, Ok(Ok(Some(_))))
    }

    /// Closes every connection; what was committed is durable already.
    pub async fn close(&self) {
        let writer = self.writer.write().await.take();
        for connection in [Some(self.readers.clone()), writer].into_iter().flatten() {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(%error, "closing the database");
            }
        }
    }
}

async fn connect(path: &Path, connections: u32) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
    options.max_connections(connections).min_connections(connections).sqlx_logging(false).test_before_acquire(false);
    options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>).record_stmt_in_spans(false);
    options.map_sqlx_sqlite_opts(|options| {
        options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(false)
            .pragma("cache_size", "-16384")
            .pragma("secure_delete", "on")
            .statement_cache_capacity(256)
    });
    sea_orm::Database::connect(options)
        .await
        .map_err(|error| Error::internal(format!("the database {} can't be opened: {error}", path.display())))
}

/// Takes the lock beside the database, or names the process that holds it.
fn lock(database: &Path) -> Result<File> {
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
