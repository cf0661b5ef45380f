//! The committer: every write of the process goes through one task that runs units in shared transactions and answers
//! after the commit. A transaction a change would cost a sync a change; shared, 32 writers cost one.

mod job;

use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::store::ahead::{Ahead, Inserts, Opaque, Taken};
use crate::store::connect::Database;
use crate::store::is_taken;
use crate::store::journal::{Event, Journal, Linked, Recorded};
use crate::store::lock::{self, Lock};
use futures_util::FutureExt;
use job::{Applied, Failure, Job, Note, Work, is_conflict, is_fatal};
use keepward_api::Timestamp;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, ModelTrait, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Units in one transaction at most.
const MAX_UNITS: usize = 256;
/// Of them, on PostgreSQL, those that may need a savepoint: more cost every other session.
const MAX_SAVEPOINTS: usize = 64;
/// Below so many that wait, others run once before a transaction begins.
const FEW_UNITS: usize = 12;
/// Events in one script at most: each number of them has a text of its own.
const MAX_SCRIPT: usize = 32;
/// How often a transaction is run again that another server was in the way of.
const MAX_CONFLICTS: u32 = 3;
/// After a failure, how long nobody comes with a change before another write is tried, and how long that may take.
const TRY_AGAIN: Duration = Duration::from_secs(1);
const TRY_TIME: Duration = Duration::from_secs(5);
/// The row that is written then.
const TRIED: &str = "tried";
/// How long a transaction may take before its connection counts as lost.
const TRANSACTION_TIME: Duration = Duration::from_secs(45);

/// One change. It may be run again, so it borrows its inputs, does nothing outside the unit and never waits for anything
/// but the database. An error undoes this unit and no other.
pub trait Change: Send + Sync + 'static {
    type Output: Send + 'static;
    fn apply(&self, unit: &mut Unit<'_>) -> impl Future<Output = Result<Self::Output>> + Send;
    /// What nobody else may change while this runs: every row that is read here to be changed, and whatever its decision
    /// rests on. Names: `user`, `agent`, `key`, `token`, `vault` (its policies, too), each with an id; `secret` with a vault
    /// and a path; `email` with an address, for whoever makes a user or makes one an operator.
    fn locks(&self) -> Vec<Lock>;
    /// What may be read for it before it runs, together with what others start from. Whatever that depends on is locked.
    fn ask(&self) -> Option<Opaque> {
        None
    }
}

/// A change's place inside the shared transaction.
pub struct Unit<'a> {
    transaction: &'a DatabaseTransaction,
    now: Timestamp,
    events: Vec<Event>,
    /// What was read for it ahead.
    read: Option<Opaque>,
    /// Rows to write with those of others; absent where each unit writes for itself.
    inserts: Option<Inserts>,
    /// Whether it may have changed something already.
    has_run: AtomicBool,
}

impl<'a> Unit<'a> {
    fn new(transaction: &'a DatabaseTransaction, now: Timestamp, read: Option<Opaque>) -> Self {
        let inserts = read.is_some().then(Inserts::default);
        Self { transaction, now, events: Vec::new(), read, inserts, has_run: AtomicBool::new(false) }
    }

    /// Where the unit's statements run.
    pub fn connection(&self) -> &DatabaseTransaction {
        self.has_run.store(true, Ordering::Relaxed);
        self.transaction
    }

    /// What was read for it ahead, once. A unit that takes it asks for no rows that others of its batch may add.
    pub fn take_read(&mut self) -> Option<Opaque> {
        self.read.take()
    }

    /// Adds a row that carries no authority. It may be written together with those of other units, after this one: the unit
    /// does not look for it.
    pub async fn insert<M>(&mut self, row: M) -> Result<()>
    where
        M: ModelTrait,
        M::Entity: Default,
    {
        if let Some(inserts) = &mut self.inserts {
            inserts.push(&row);
            return Ok(());
        }
        crate::store::rows::insert(self.connection(), row).await
    }

    /// The time of the whole transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Adds to the audit trail, if and only if the unit is committed.
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// A unit, and since when it waits.
type Queued = (Instant, Box<dyn Job>);

/// The handle to the task.
#[derive(Clone)]
pub struct Committer {
    queue: mpsc::Sender<Queued>,
    works: Arc<AtomicBool>,
}

impl Committer {
    /// Starts the task; it ends when every handle is gone and the last unit is answered.
    /// Below `min_free_bytes` of disk nothing is written: without room for its event nothing may happen.
    pub fn start(
        database: Arc<Database>,
        journal: Arc<dyn Journal>,
        ahead: Arc<dyn Ahead>,
        min_free_bytes: u64,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(1024);
        let works = Arc::new(AtomicBool::new(true));
        let task = tokio::spawn(run(database, Seams { journal, ahead }, min_free_bytes, waiting, Arc::clone(&works)));
        (Self { queue, works }, task)
    }

    /// Whether the last transaction was committed. After one that was not, another is tried each second.
    pub fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    /// Applies a change that records at least one event, and answers when it is durable.
    pub async fn commit<C: Change>(&self, change: C) -> Result<Recorded<C::Output>> {
        self.enqueue(change, true).await.map(Recorded::new)
    }

    /// Applies a change that the audit trail does not keep.
    pub async fn commit_unrecorded<C: Change>(&self, change: C) -> Result<C::Output> {
        self.enqueue(change, false).await
    }

    /// Records an event and nothing else.
    pub async fn record(&self, event: Event) -> Result<Recorded<()>> {
        let (answer, answered) = oneshot::channel();
        self.send(Box::new(Note { event, refused: None, answer }), answered).await.map(Recorded::new)
    }

    async fn enqueue<C: Change>(&self, change: C, must_record: bool) -> Result<C::Output> {
        let (answer, answered) = oneshot::channel();
        self.send(Box::new(Work { change, must_record, outcome: None, answer }), answered).await
    }

    async fn send<T>(&self, job: Box<dyn Job>, answered: oneshot::Receiver<Result<T>>) -> Result<T> {
        let stopped = || Error::Unavailable { cause: None };
        self.queue.send((Instant::now(), job)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// What others do in a transaction.
#[derive(Clone)]
struct Seams {
    journal: Arc<dyn Journal>,
    ahead: Arc<dyn Ahead>,
}

async fn run(
    database: Arc<Database>,
    seams: Seams,
    min_free_bytes: u64,
    mut waiting: mpsc::Receiver<Queued>,
    works: Arc<AtomicBool>,
) {
    let max_changes = if database.backend() == DbBackend::Postgres { MAX_SAVEPOINTS } else { MAX_UNITS };
    let mut is_full = false;
    loop {
        let next = match works.load(Ordering::Relaxed) {
            true => Ok(waiting.recv().await),
            false => tokio::time::timeout(TRY_AGAIN, waiting.recv()).await,
        };
        let Ok(next) = next else {
            let has_room = database.free_bytes().is_none_or(|free| free >= min_free_bytes);
            works.store(has_room && can_write(&database).await, Ordering::Relaxed);
            is_full &= !has_room;
            continue;
        };
        let Some((since, first)) = next else { return };
        // Few would pay for a sync of their own: whoever is about to come comes along. Nobody is waited for.
        if waiting.len() < FEW_UNITS {
            tokio::task::yield_now().await;
        }
        let mut changes = usize::from(first.event().is_none());
        let mut batch = vec![first];
        while batch.len() < MAX_UNITS
            && changes < max_changes
            && let Ok((_, next)) = waiting.try_recv()
        {
            changes += usize::from(next.event().is_none());
            batch.push(next);
        }
        let (units, waited, begun) = (batch.len(), since.elapsed(), Instant::now());
        if database.free_bytes().is_some_and(|free| free < min_free_bytes) {
            // Once: each word takes of what is left.
            if !std::mem::replace(&mut is_full, true) {
                tracing::error!(min_free_bytes, "the disk is nearly full: nothing is written");
            }
            works.store(false, Ordering::Relaxed);
            batch.into_iter().for_each(|job| job.settle(false));
            METRICS.transaction(units, waited, begun.elapsed(), false);
            continue;
        }
        is_full = false;
        // A panic in a unit fails this batch (its answers are dropped, so 503) and no later one.
        let done = AssertUnwindSafe(transact(&database, &seams, batch)).catch_unwind().await;
        let committed = matches!(done, Ok(true));
        works.store(committed, Ordering::Relaxed);
        METRICS.transaction(units, waited, begun.elapsed(), committed);
        if done.is_err() {
            tracing::error!("a unit panicked");
            seams.journal.settle(false);
            database.give_up_writer().await;
        }
    }
}

/// Whether a write is committed: of a row that nobody reads, since one that changes no byte would not reach the disk.
async fn can_write(database: &Database) -> bool {
    const WRITE: &str =
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    let now = Timestamp::now().microseconds().to_be_bytes().to_vec();
    let write = Statement::from_sql_and_values(database.backend(), WRITE, [TRIED.into(), now.into()]);
    let written = async { database.writer().await?.execute_raw(write).await.map(drop).map_err(Error::from) };
    let committed = matches!(database.unless_lost(tokio::time::timeout(TRY_TIME, written)).await, Some(Ok(Ok(()))));
    if !committed {
        database.give_up_writer().await;
    }
    committed
}

/// Runs a batch and answers each of its units; true if it was committed.
async fn transact(database: &Database, seams: &Seams, mut batch: Vec<Box<dyn Job>>) -> bool {
    // Most batches have no refused unit. They do without savepoints; one that has is run again with them.
    let (mut savepoints, mut conflicts, mut was_lost) = (false, 0, false);
    let mut broken = BTreeSet::new();
    let committed = loop {
        let how = How { savepoints, broken: &broken };
        let attempt = tokio::time::timeout(TRANSACTION_TIME, attempt(database, seams, &mut batch, how));
        let failure = match database.unless_lost(attempt).await {
            Some(Ok(Ok(()))) => break true,
            Some(Ok(Err(failure))) => failure,
            Some(Err(_)) | None => {
                seams.journal.settle(false);
                Failure::Broken(Error::unavailable("the database does not answer"))
            }
        };
        match failure {
            Failure::NeedsSavepoints => savepoints = true,
            // A unit of such a chain is undone alone. Each time another chain is named, so this ends.
            Failure::BrokenChains(chains) => {
                savepoints = true;
                broken.extend(chains);
            }
            Failure::Conflict(_) if conflicts < MAX_CONFLICTS => {
                conflicts += 1;
                // Two servers that were in each other's way shall not be so again at once.
                let jitter = u64::from(crate::ids::new::<uuid::Uuid>().as_bytes()[15]);
                tokio::time::sleep(Duration::from_millis(5 * u64::from(conflicts) + jitter / 16)).await;
            }
            Failure::Lost(_) if !was_lost => {
                was_lost = true;
                database.give_up_writer().await;
            }
            Failure::Conflict(error) | Failure::Lost(error) | Failure::Broken(error) => {
                tracing::error!(error = error_chain(&error), units = batch.len(), "a transaction failed");
                database.give_up_writer().await;
                break false;
            }
        }
    };
    for job in batch {
        job.settle(committed);
    }
    committed
}

/// How a transaction is run.
#[derive(Clone, Copy)]
struct How<'a> {
    /// Whether each unit can be undone alone.
    savepoints: bool,
    /// Chains to which nothing can be added.
    broken: &'a BTreeSet<Uuid>,
}

impl How<'_> {
    /// What refuses a unit that would add to such a chain.
    fn refusal(self, events: &[Event]) -> Option<Error> {
        let chain = events.iter().map(|event| event.chain).find(|chain| self.broken.contains(chain))?;
        Some(Error::internal(format!("the audit chain of organisation {chain} is broken")))
    }
}

async fn attempt(database: &Database, seams: &Seams, batch: &mut [Box<dyn Job>], how: How<'_>) -> Result<(), Failure> {
    let writer = database.writer().await.map_err(Failure::Broken)?;
    if let Some(script) = script(&writer, seams.journal.as_ref(), batch) {
        let outcome = writer.query_one_raw(script).await;
        seams.journal.settle(matches!(outcome, Ok(Some(_))));
        let error = match outcome {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => Error::unavailable("a transaction ended before its end"),
            Err(error) => error.into(),
        };
        // Where it stopped, the transaction is still open; its connection is not to be used again.
        database.give_up_writer().await;
        return Err(if is_taken(&error) { Failure::Conflict(error) } else { Failure::Broken(error) });
    }
    let immediate =
        TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    let transaction = writer.begin_with_options(immediate).await?;
    let filled = fill(&transaction, seams, batch, how).await;
    let outcome = match filled {
        // Lost on the way, nobody knows what became of it: it is never repeated.
        Ok(()) => transaction.commit().await.map_err(|error| Failure::Broken(error.into())),
        Err(gone @ (Failure::Broken(_) | Failure::Lost(_))) => Err(gone),
        Err(failure) => {
            transaction.rollback().await.map_err(|error| Failure::Broken(error.into()))?;
            Err(failure)
        }
    };
    match &outcome {
        // No other writer interfered, so the cached heads stay valid.
        Err(Failure::NeedsSavepoints | Failure::BrokenChains(_)) => seams.journal.undo(),
        outcome => seams.journal.settle(outcome.is_ok()),
    }
    outcome
}

/// A whole transaction as one statement: where SQLite is only to record events, each way to its thread and back would cost
/// as much as the events. Its one row is the proof that all of it was run.
fn script(writer: &DatabaseConnection, journal: &dyn Journal, batch: &[Box<dyn Job>]) -> Option<Statement> {
    if writer.get_database_backend() != DbBackend::Sqlite {
        return None;
    }
    if batch.len() > MAX_SCRIPT {
        return None;
    }
    let events: Vec<Event> = batch.iter().map(|job| job.event().cloned()).collect::<Option<_>>()?;
    let mut script = journal.script(Timestamp::now(), &events)?;
    script.sql = format!("BEGIN IMMEDIATE; {}; COMMIT; SELECT 1", script.sql);
    Some(script)
}

/// Everything between BEGIN and COMMIT: locks, what was asked for, units, what they add, events.
async fn fill(
    transaction: &DatabaseTransaction,
    seams: &Seams,
    batch: &mut [Box<dyn Job>],
    how: How<'_>,
) -> Result<(), Failure> {
    let savepoints = how.savepoints;
    let locks: Vec<Vec<Lock>> = batch.iter().map(|job| job.locks()).collect();
    if transaction.get_database_backend() == DbBackend::Postgres
        && let Some(locks) = lock::statement(locks.concat())
    {
        transaction.execute_raw(locks).await.map_err(|error| match error.into() {
            // Locks that were not free in time, one by one or all together: nothing was done yet.
            Failure::Broken(error) => Failure::Conflict(error),
            other => other,
        })?;
    }
    // With savepoints each unit is for itself, so that it can be undone.
    let questions = if savepoints { Vec::new() } else { questions(batch, &locks) };
    let mut read = read_ahead(transaction, seams.ahead.as_ref(), questions).await?.into_iter();
    let now = Timestamp::now();
    let (mut events, mut inserts) = (Vec::new(), Inserts::default());
    for job in batch.iter_mut() {
        let read = read.next().flatten();
        if let Some(event) = job.event() {
            match how.refusal(std::slice::from_ref(event)) {
                Some(refusal) => job.refuse(refusal),
                None => events.push(event.clone()),
            }
            continue;
        }
        if savepoints {
            transaction.execute_unprepared("SAVEPOINT unit").await?;
        } else if read.is_none() {
            // It reads for itself, and finds what was written before it.
            write(transaction, &mut inserts).await?;
        }
        let mut unit = Unit::new(transaction, now, read);
        let applied = job.apply(&mut unit).await;
        let refusal = how.refusal(&unit.events);
        match applied {
            Applied::Stands if let Some(refusal) = refusal => {
                job.refuse(refusal);
                transaction.execute_unprepared("ROLLBACK TO SAVEPOINT unit").await?;
            }
            Applied::Stands => {
                events.append(&mut unit.events);
                inserts.append(unit.inserts.unwrap_or_default());
            }
            Applied::Refused if savepoints => {
                transaction.execute_unprepared("ROLLBACK TO SAVEPOINT unit").await?;
            }
            // It has not even asked: there is nothing to undo.
            Applied::Refused if !unit.has_run.into_inner() => {}
            Applied::Refused => return Err(Failure::NeedsSavepoints),
            Applied::Failed(failure) => return Err(failure),
        }
        if savepoints {
            transaction.execute_unprepared("RELEASE SAVEPOINT unit").await?;
        }
    }
    write(transaction, &mut inserts).await?;
    if !events.is_empty() {
        let linked = seams.journal.link(transaction, now, &events).await.map_err(|error| match is_taken(&error) {
            // Another process has written an event in this one's place.
            true => Failure::Conflict(error),
            false => error.into(),
        })?;
        if let Linked::Broken(chains) = linked {
            return Err(Failure::BrokenChains(chains));
        }
    }
    Ok(())
}

/// What each unit asks for that no unit before it may change.
fn questions(batch: &[Box<dyn Job>], locks: &[Vec<Lock>]) -> Vec<Option<Opaque>> {
    let mut taken = Taken::default();
    batch.iter().zip(locks).map(|(job, locks)| if taken.meets(locks) { None } else { job.ask() }).collect()
}

/// What was found for each of them.
async fn read_ahead(
    transaction: &DatabaseTransaction,
    ahead: &dyn Ahead,
    questions: Vec<Option<Opaque>>,
) -> Result<Vec<Option<Opaque>>, Failure> {
    let who: Vec<bool> = questions.iter().map(Option::is_some).collect();
    let asked: Vec<Opaque> = questions.into_iter().flatten().collect();
    let count = asked.len();
    let found = if asked.is_empty() { Ok(Vec::new()) } else { ahead.read(transaction, asked).await };
    let found = found.map_err(each_for_itself)?;
    if found.len() != count {
        return Err(Failure::Broken(Error::internal("not one answer a question")));
    }
    let mut found = found.into_iter();
    Ok(who.into_iter().map(|asks| if asks { found.next() } else { None }).collect())
}

/// Writes the rows that units have added so far.
async fn write(transaction: &DatabaseTransaction, inserts: &mut Inserts) -> Result<(), Failure> {
    inserts.write(transaction).await.map_err(each_for_itself)
}

/// What failed for all of them may be the fault of one: each for itself, they show whose.
fn each_for_itself(error: Error) -> Failure {
    if is_conflict(&error) || is_fatal(&error) { error.into() } else { Failure::NeedsSavepoints }
}

/// An error and its causes in one line; none of ours holds a value.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
