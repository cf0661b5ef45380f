//! Connections: one writer for the committer, a few readers.

use super::link::Link;
use super::{postgres, sqlite};
use crate::error::{Error, Result};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel, Statement,
    TransactionTrait,
};
use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, RwLock};

/// A little more than what PostgreSQL itself gives a statement.
const READ_TIME: Duration = Duration::from_secs(32);
/// How long a probe of the database is reused.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How long a goodbye may take: nobody may be there to say it to.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What is said of a database that has tables, and none of ours.
pub(super) const FOREIGN: &str = "holds the tables of another program; give Keepward a database of its own";

async fn close(connection: &DatabaseConnection) {
    match tokio::time::timeout(CLOSE_TIME, connection.close_by_ref()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "closing a connection"),
        Err(_) => tracing::warn!("a connection does not close"),
    }
}

/// Where the data is.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// A file of this server's own.
    Sqlite(PathBuf),
    /// A database that several servers may share.
    Postgres(postgres::PostgresUrl),
}

impl DatabaseUrl {
    /// Whether there is one; of PostgreSQL's, only asking it tells.
    pub fn exists(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }

    /// A connection that may write, to a database that keeps what it acknowledges: each time anew, since another machine may
    /// have taken the place of the one before.
    async fn connect_writer(&self) -> Result<DatabaseConnection> {
        match self {
            Self::Sqlite(path) => sqlite::connect(path, 1).await,
            Self::Postgres(url) => {
                let writer = postgres::connect_writer(url).await?;
                postgres::check(&writer, url).await?;
                Ok(writer)
            }
        }
    }
}

/// The writer's connection, and how often the database had been away when it was made.
struct Writer {
    connection: DatabaseConnection,
    losses: u64,
}

/// The open database.
pub struct Database {
    url: DatabaseUrl,
    /// Absent while it could not be opened again after a failure.
    writer: RwLock<Option<Writer>>,
    link: Arc<Link>,
    /// Time and result of the last probe. Health is not rate limited, so callers share one probe.
    looked: Mutex<Option<(Instant, bool)>>,
    /// Held as long as the server runs; `None` beside a running server, and where several may run.
    _lock: Option<File>,
}

/// Who makes the keys of a new database, and what a migration that runs twice would break: one server at a time.
pub struct StartLock {
    connection: Option<DatabaseConnection>,
}

impl StartLock {
    pub async fn release(self) {
        if let Some(connection) = self.connection {
            close(&connection).await;
        }
    }
}

impl Database {
    /// Opens the database as a server: as the only one where it is a file, or says who already is.
    pub async fn open_to_serve(url: &DatabaseUrl) -> Result<Self> {
        let lock = match url {
            DatabaseUrl::Sqlite(path) => Some(sqlite::lock(path)?),
            DatabaseUrl::Postgres(_) => None,
        };
        Ok(Self { _lock: lock, ..Self::connect(url).await? })
    }

    /// Opens a database that is there, beside whoever uses it.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        match url {
            DatabaseUrl::Sqlite(path) if !url.exists() => {
                Err(Error::internal(format!("there is no database {}", path.display())))
            }
            _ => Self::connect(url).await,
        }
    }

    async fn connect(url: &DatabaseUrl) -> Result<Self> {
        if let DatabaseUrl::Sqlite(path) = url {
            sqlite::check(path).await?;
        }
        let writer = url.connect_writer().await?;
        let link = match url {
            DatabaseUrl::Sqlite(path) => Link::new(sqlite::connect(path, 3).await?).into(),
            DatabaseUrl::Postgres(url) => Link::watched(&writer, url).await?,
        };
        let writer = Writer { connection: writer, losses: link.losses() };
        Ok(Self { url: url.clone(), writer: RwLock::new(Some(writer)), link, looked: Mutex::default(), _lock: None })
    }

    /// To be held while the schema is brought up and keys are made.
    pub async fn lock_start(&self) -> Result<StartLock> {
        let connection = match &self.url {
            // A file has its lock already.
            DatabaseUrl::Sqlite(_) => None,
            DatabaseUrl::Postgres(url) => Some(postgres::lock_start(url).await?),
        };
        Ok(StartLock { connection })
    }

    /// The writer's connection; opened again if the last one was given up, or the database has been away since.
    pub(super) async fn writer(&self) -> Result<DatabaseConnection> {
        let losses = self.losses();
        if let Some(writer) = &*self.writer.read().await
            && writer.losses == losses
        {
            return Ok(writer.connection.clone());
        }
        self.give_up_writer().await;
        let mut writer = self.writer.write().await;
        let connection = self.url.connect_writer().await.map_err(Error::unavailable)?;
        let losses = match &self.url {
            DatabaseUrl::Sqlite(_) => losses,
            // Its own word that the server is another one is no loss of this connection.
            DatabaseUrl::Postgres(url) => losses + u64::from(self.link.follow(&connection, url).await?),
        };
        Ok(writer.insert(Writer { connection, losses }).connection.clone())
    }

    /// Changes when the database has been away: connections from before are to be used no more.
    pub(super) fn losses(&self) -> u64 {
        self.link.losses()
    }

    /// Waits for something that asks the database; `None` when that went away meanwhile.
    pub(super) async fn unless_lost<T>(&self, asking: impl Future<Output = T>) -> Option<T> {
        self.link.unless_lost(asking).await
    }

    /// Gives the writer's connection up: after a failed transaction its state can't be trusted. SQLite may have undone the
    /// transaction by itself while sqlx still counts it as open; what is "committed" after that would be a savepoint.
    pub(super) async fn give_up_writer(&self) {
        let Some(broken) = self.writer.write().await.take() else { return };
        match self.url {
            // The next one would wait for what this one holds.
            DatabaseUrl::Sqlite(_) => close(&broken.connection).await,
            // Nobody may be there to say goodbye to.
            DatabaseUrl::Postgres(_) => drop(tokio::spawn(async move { close(&broken.connection).await })),
        }
    }

    /// Free bytes of the disk that the database is on, for who may use them; `None` where that is another machine's.
    pub fn free_bytes(&self) -> Option<u64> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => sqlite::free_bytes(path),
            DatabaseUrl::Postgres(_) => None,
        }
    }

    pub(super) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// What errors call it.
    pub(super) fn name(&self) -> String {
        match &self.url {
            DatabaseUrl::Sqlite(path) => format!("the database {}", path.display()),
            DatabaseUrl::Postgres(_) => "the PostgreSQL database".to_owned(),
        }
    }

    /// Waits for statements on the readers' connections, as long as the database answers at all.
    pub async fn read<T>(&self, asking: impl Future<Output = Result<T>>) -> Result<T> {
        match self.unless_lost(tokio::time::timeout(READ_TIME, asking)).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(Error::unavailable("the database does not answer")),
        }
    }

    /// For statements that change nothing; whoever serves a request waits for them in [`Self::read`].
    pub fn readers(&self) -> DatabaseConnection {
        self.link.readers()
    }

    /// A view of the database that does not change while it is read.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction> {
        match &self.url {
            DatabaseUrl::Sqlite(_) => Ok(self.readers().begin().await?),
            DatabaseUrl::Postgres(_) => {
                let (isolation, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
                Ok(self.readers().begin_with_config(Some(isolation), Some(access)).await?)
            }
        }
    }

    pub fn backend(&self) -> DbBackend {
        match &self.url {
            DatabaseUrl::Sqlite(_) => DbBackend::Sqlite,
            DatabaseUrl::Postgres(_) => DbBackend::Postgres,
        }
    }

    /// Whether a statement found that the database's file is damaged.
    pub fn is_damaged(&self) -> bool {
        matches!(self.url, DatabaseUrl::Sqlite(_)) && sqlite::is_damaged()
    }

    /// Whether a statement is answered within two seconds, as of the last second.
    pub async fn answers(&self) -> bool {
        let mut looked = self.looked.lock().await;
        if let Some((at, answers)) = *looked
            && at.elapsed() < BETWEEN_LOOKS
        {
            return answers;
        }
        let answers = self.look().await;
        *looked = Some((Instant::now(), answers));
        answers
    }

    async fn look(&self) -> bool {
        let one = Statement::from_string(self.backend(), "SELECT 1");
        self.link.is_there()
            && matches!(
                tokio::time::timeout(Duration::from_secs(2), self.readers().query_one_raw(one)).await,
                Ok(Ok(Some(_)))
            )
    }

    /// Closes every connection; what was committed is durable already.
    pub async fn close(&self) {
        let writer = self.writer.write().await.take().map(|writer| writer.connection);
        for connection in [Some(self.readers()), writer].into_iter().flatten() {
            close(&connection).await;
        }
    }
}
