//! The way to a PostgreSQL that may die without a word: its machine gone, or a proxy that keeps what leads nowhere. Its own
//! limits of time are of no use then, and a pool would wait for its dead connections for as long as TCP does.

use super::postgres::{self, PostgresUrl};
use crate::error::Result;
use crate::metrics::METRICS;
use sea_orm::DatabaseConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// How often a connection of its own is asked whether the database is there, and how long that may take.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(3);

/// The readers' pool, in whose place another one is put when the database has been away.
pub(super) struct Link {
    readers: RwLock<DatabaseConnection>,
    /// Of whoever waits for the database. Another one is put in its place when those who began before are to be told apart.
    lost: RwLock<Arc<Notify>>,
    /// How often the database has been away, or another one. A connection from before leads to what may answer never, or be no
    /// primary any more.
    losses: AtomicU64,
    is_there: AtomicBool,
    /// The server that the readers' connections lead to, and no other ([`postgres::WHO`]).
    who: RwLock<String>,
}

impl Link {
    /// Without anybody who looks: a file is always there.
    pub(super) fn new(readers: DatabaseConnection) -> Self {
        let link = Self {
            readers: RwLock::new(readers.clone()),
            lost: RwLock::default(),
            losses: AtomicU64::new(0),
            is_there: AtomicBool::new(true),
            who: RwLock::default(),
        };
        link.replace(readers);
        link
    }

    /// Connections to the server that the writer is connected to; looked at until it is dropped.
    pub(super) async fn watched(writer: &DatabaseConnection, url: &PostgresUrl) -> Result<Arc<Self>> {
        let who = postgres::who(writer).await?;
        let link = Self::new(postgres::connect_readers(url, &who).await?);
        *link.who.write().unwrap_or_else(PoisonError::into_inner) = who;
        let link = Arc::new(link);
        tokio::spawn(watch(Arc::downgrade(&link), url.clone()));
        Ok(link)
    }

    /// Has the readers follow a writer that was connected anew; whether that one is on another server than they were.
    pub(super) async fn follow(&self, writer: &DatabaseConnection, url: &PostgresUrl) -> Result<bool> {
        let who = postgres::who(writer).await?;
        if self.is_led_to(&who) {
            return Ok(false);
        }
        let readers = postgres::connect_readers(url, &who).await?;
        tracing::info!("another server is in the database's place");
        self.find(readers, who);
        Ok(true)
    }

    fn is_led_to(&self, who: &str) -> bool {
        *self.who.read().unwrap_or_else(PoisonError::into_inner) == who
    }

    pub(super) fn readers(&self) -> DatabaseConnection {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, mut readers: DatabaseConnection) {
        readers.set_metric_callback(|query| METRICS.query(query.elapsed));
        *self.readers.write().unwrap_or_else(PoisonError::into_inner) = readers;
        self.is_there.store(true, Ordering::Release);
    }

    /// Whether the last look has found the database.
    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }

    /// Changes when connections from before are to be used no more.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Whoever waits has waited in vain, and whoever holds a connection takes another one.
    fn lose(&self) {
        self.is_there.store(false, Ordering::Release);
        self.losses.fetch_add(1, Ordering::AcqRel);
        self.lost.read().unwrap_or_else(PoisonError::into_inner).notify_waiters();
    }

    /// The database is back, or another one is in its place. Some have found that out by themselves and wait for an answer of
    /// it; whoever has begun by now and has none when a look would have failed waits for the one before.
    fn find(&self, readers: DatabaseConnection, who: String) {
        self.replace(readers);
        *self.who.write().unwrap_or_else(PoisonError::into_inner) = who;
        self.losses.fetch_add(1, Ordering::AcqRel);
        let before = std::mem::take(&mut *self.lost.write().unwrap_or_else(PoisonError::into_inner));
        tokio::spawn(async move {
            tokio::time::sleep(LOOK).await;
            before.notify_waiters();
        });
    }

    /// Waits for something that asks the database; `None` when that went away meanwhile.
    pub(super) async fn unless_lost<T>(&self, asking: impl Future<Output = T>) -> Option<T> {
        let lost = Arc::clone(&self.lost.read().unwrap_or_else(PoisonError::into_inner));
        let (lost, asking) = (pin!(lost.notified()), pin!(asking));
        tokio::select! {
            biased;
            done = asking => Some(done),
            () = lost => None,
        }
    }
}

async fn watch(link: Weak<Link>, url: PostgresUrl) {
    let mut connection = None;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let Some(link) = link.upgrade() else { return };
        let looked = match tokio::time::timeout(LOOK, look(&mut connection, &url)).await {
            // One connection may end by itself: only another one tells.
            Ok(Err(_)) => {
                connection = None;
                tokio::time::timeout(LOOK, look(&mut connection, &url)).await
            }
            looked => looked,
        };
        match looked {
            Ok(Ok(Some(who))) if link.is_there() && link.is_led_to(&who) => continue,
            Ok(Ok(Some(who))) => {
                if let Ok(readers) = postgres::connect_readers(&url, &who).await {
                    tracing::info!(is_same = link.is_led_to(&who), "the database answers again");
                    link.find(readers, who);
                } else {
                    // It may lead to another server than new connections do.
                    connection = None;
                }
                continue;
            }
            // A standby: the address may lead to a primary the next time.
            Ok(Ok(None)) => {}
            // It is there, and says no: too many connections, or not ready yet.
            Ok(Err(sqlx::Error::Database(_))) => {}
            // What fails at once fails for everybody at once, and holds nobody.
            Ok(Err(_)) if !link.is_there() => {}
            Ok(Err(_)) | Err(_) => {
                if link.is_there() {
                    tracing::error!("the database does not answer");
                }
                // With each look: what was begun since leads nowhere either.
                link.lose();
            }
        }
        connection = None;
    }
}

/// Who answers; `None` is a standby.
async fn look(connection: &mut Option<PgConnection>, url: &PostgresUrl) -> Result<Option<String>, sqlx::Error> {
    let connection = match connection {
        Some(connection) => connection,
        none => {
            let options = url.options().map_err(|error| sqlx::Error::Configuration(error.into()))?;
            none.insert(super::logged(postgres::tuned(options)).connect().await?)
        }
    };
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", postgres::WHO))).fetch_one(connection).await
}
