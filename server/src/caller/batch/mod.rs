//! Lookups of many requests in one statement: whatever waits while a reader is busy goes together, so that under load a
//! statement, its way to the database and back, and the rows that requests share cost once and not once a request. State is
//! never kept: a batch answers those who were waiting for it, and is forgotten.

mod ahead;
mod rows;

pub use ahead::UnitLookups;
pub(in crate::caller) use rows::Ask;

use super::credential::Credential;
use super::facts::Found;
use super::facts::lookup::{Lookup, Nothing};
use super::principal::AnyCaller;
use super::rows::{Rows, Shape, conclude, load};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::seal::Keyring;
use crate::store::{Database, Reader, error_chain};
use futures_util::FutureExt;
use keepward_api::Timestamp;
use rows::{Query, workers};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Lookups in one statement at most. A path has up to 257 prefixes, so that these have fewer than 8,192, three values each:
/// SQLite takes 32,766.
const MAX_ASKS: usize = 31;

struct Waiting {
    since: Instant,
    ask: Ask,
    answer: oneshot::Sender<Result<Rows>>,
}

/// The readers' side of every request's one statement.
pub struct Lookups {
    database: Arc<Database>,
    keyring: Arc<Keyring>,
    queue: mpsc::Sender<Waiting>,
}

impl Lookups {
    /// Starts the workers; they end with the last handle.
    pub fn start(database: Arc<Database>, keyring: Arc<Keyring>) -> Self {
        let (queue, waiting) = mpsc::channel(1024);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..workers(database.backend()) {
            let reader = Reader::new(Arc::clone(&database));
            tokio::spawn(work(reader, Arc::clone(&keyring), Arc::clone(&waiting)));
        }
        Self { database, keyring, queue }
    }

    /// Who comes with this credential, if it is good now, and what they look up.
    pub async fn load<L: Lookup>(
        &self,
        credential: &Arc<Credential>,
        lookup: Option<&L>,
        now: Timestamp,
        address: IpAddr,
    ) -> Result<(AnyCaller, Option<Found<L>>)> {
        let Some(ask) = ask(credential, lookup) else {
            return self
                .database
                .read(load(&self.database.readers(), &self.keyring, credential, lookup, now, address))
                .await;
        };
        let (answer, answered) = oneshot::channel();
        let stopped = || Error::Unavailable { cause: None };
        self.queue.send(Waiting { since: Instant::now(), ask, answer }).await.map_err(|_| stopped())?;
        let rows = answered.await.map_err(|_| stopped())??;
        conclude(rows, credential, lookup, now, address)
    }
}

/// What a batch can look up; keys and the rarer lookups have a statement of their own.
pub(in crate::caller) fn ask<L: Lookup>(credential: &Credential, lookup: Option<&L>) -> Option<Ask> {
    let shape = lookup.map_or_else(|| Nothing.shape(), Lookup::shape);
    match (credential, shape) {
        (Credential::Token(claims), Shape::Nothing | Shape::Secret { .. }) => {
            Ask::new(claims, lookup.and_then(Lookup::place))
        }
        _ => None,
    }
}

async fn fetch(reader: &mut Reader, keyring: &Keyring, asks: &[Ask]) -> Result<Vec<Rows>> {
    let query = Query::new(reader.backend(), asks);
    query.answers(keyring, reader.query(&query.text, &query.values).await?)
}

async fn work(mut reader: Reader, keyring: Arc<Keyring>, waiting: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
    loop {
        let mut batch = Vec::with_capacity(MAX_ASKS);
        {
            let mut waiting = waiting.lock().await;
            if waiting.recv_many(&mut batch, 1).await == 0 {
                return;
            }
            // Whoever is about to ask comes along.
            tokio::task::yield_now().await;
            while batch.len() < MAX_ASKS
                && let Ok(next) = waiting.try_recv()
            {
                batch.push(next);
            }
        }
        // Whoever hung up waits for nothing.
        batch.retain(|one| !one.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        let (waited, begun) = (batch.first().map(|oldest| oldest.since.elapsed()).unwrap_or_default(), Instant::now());
        let (asks, answers): (Vec<Ask>, Vec<_>) = batch.into_iter().map(|one| (one.ask, one.answer)).unzip();
        // A panic fails this batch and no later one.
        let fetched = AssertUnwindSafe(fetch(&mut reader, &keyring, &asks)).catch_unwind().await;
        let fetched = fetched.unwrap_or_else(|_| {
            reader.reconnect();
            Err(Error::internal("a lookup panicked"))
        });
        METRICS.lookups(asks.len(), waited, begun.elapsed());
        match fetched {
            Ok(found) => {
                for (rows, answer) in found.into_iter().zip(answers) {
                    // Whoever asked may have gone.
                    let _ = answer.send(Ok(rows));
                }
            }
            Err(error) => {
                tracing::error!(error = error_chain(&error), asks = asks.len(), "a lookup failed");
                for answer in answers {
                    let _ = answer.send(Err(match &error {
                        Error::Unavailable { .. } => Error::Unavailable { cause: None },
                        _ => Error::internal("a lookup failed"),
                    }));
                }
            }
        }
    }
}
