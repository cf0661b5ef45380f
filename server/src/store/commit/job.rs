//! Queued units with their types erased, and what can become of one.

use super::{Change, Unit};
use crate::error::{Error, Result};
use crate::store;
use crate::store::ahead::Opaque;
use crate::store::journal::Event;
use crate::store::lock::Lock;
use sea_orm::DbErr;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::oneshot;
use uuid::Uuid;

/// A queued unit, its types erased. It may be run more than once; the last run counts.
pub(super) trait Job: Send {
    /// The event of a unit that is only an event, and can't be refused.
    fn event(&self) -> Option<&Event>;
    /// See [`Change::locks`].
    fn locks(&self) -> Vec<Lock>;
    /// See [`Change::ask`].
    fn ask(&self) -> Option<Opaque>;
    /// Runs the change and keeps what it answered.
    fn apply<'a>(&'a mut self, unit: &'a mut Unit<'_>) -> Pin<Box<dyn Future<Output = Applied> + Send + 'a>>;
    /// Takes an error for its answer: it was not done, and the transaction it would have been in goes on without it.
    fn refuse(&mut self, error: Error);
    /// Answers; `committed` says whether the transaction is durable.
    fn settle(self: Box<Self>, committed: bool);
}

pub(super) enum Applied {
    Stands,
    /// Undo this unit, and no other.
    Refused,
    /// Undo the transaction.
    Failed(Failure),
}

/// Why a transaction was not committed.
pub(super) enum Failure {
    /// A unit was refused, and there is no savepoint to go back to.
    NeedsSavepoints,
    /// Nothing can be added to these chains: their units are refused, and the others run again.
    BrokenChains(BTreeSet<Uuid>),
    /// Another server was in the way: the same again may pass.
    Conflict(Error),
    /// The connection was lost before COMMIT: nothing happened, and the same on another one may pass.
    Lost(Error),
    /// The connection can't be trusted, or nobody knows what became of the transaction.
    Broken(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let is_lost = database_error(&error).is_some_and(store::is_disconnected);
        match is_conflict(&error) {
            true => Self::Conflict(error),
            false if is_lost => Self::Lost(error),
            false => Self::Broken(error),
        }
    }
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Error::from(error).into()
    }
}

pub(super) struct Note {
    pub(super) event: Event,
    pub(super) refused: Option<Error>,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

impl Job for Note {
    fn event(&self) -> Option<&Event> {
        Some(&self.event)
    }
    fn locks(&self) -> Vec<Lock> {
        Vec::new()
    }
    fn ask(&self) -> Option<Opaque> {
        None
    }
    fn apply<'a>(&'a mut self, _: &'a mut Unit<'_>) -> Pin<Box<dyn Future<Output = Applied> + Send + 'a>> {
        Box::pin(async { Applied::Stands })
    }
    fn refuse(&mut self, error: Error) {
        self.refused = Some(error);
    }
    fn settle(self: Box<Self>, committed: bool) {
        let answer = match (self.refused, committed) {
            (Some(error), true) => Err(error),
            (None, true) => Ok(()),
            (_, false) => Err(Error::Unavailable { cause: None }),
        };
        // Whoever asked may have gone; the event stands all the same.
        let _ = self.answer.send(answer);
    }
}

pub(super) struct Work<C: Change> {
    pub(super) change: C,
    pub(super) must_record: bool,
    pub(super) outcome: Option<Result<C::Output>>,
    pub(super) answer: oneshot::Sender<Result<C::Output>>,
}

impl<C: Change> Job for Work<C> {
    fn event(&self) -> Option<&Event> {
        None
    }
    fn locks(&self) -> Vec<Lock> {
        self.change.locks()
    }
    fn ask(&self) -> Option<Opaque> {
        self.change.ask()
    }
    fn apply<'a>(&'a mut self, unit: &'a mut Unit<'_>) -> Pin<Box<dyn Future<Output = Applied> + Send + 'a>> {
        Box::pin(async move {
            let mut outcome = self.change.apply(unit).await;
            if outcome.is_ok() && self.must_record && unit.events.is_empty() {
                outcome = Err(Error::internal("a change without its audit event"));
            }
            match outcome {
                Err(error) if is_conflict(&error) || is_fatal(&error) => Applied::Failed(error.into()),
                outcome => {
                    let applied = if outcome.is_ok() { Applied::Stands } else { Applied::Refused };
                    self.outcome = Some(outcome);
                    applied
                }
            }
        })
    }
    fn refuse(&mut self, error: Error) {
        self.outcome = Some(Err(error));
    }
    fn settle(self: Box<Self>, committed: bool) {
        // What a refused unit saw is undone, too, when the transaction is: only a committed one gives answers.
        let answer = match self.outcome {
            Some(outcome) if committed => outcome,
            _ => Err(Error::Unavailable { cause: None }),
        };
        let _ = self.answer.send(answer);
    }
}

pub(super) fn database_error(error: &Error) -> Option<&DbErr> {
    std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<DbErr>())
}

/// After these SQLite may have undone more than the statement, and the connection is not to be trusted: NOMEM (7), IOERR
/// (10), FULL (13). Nor is one that PostgreSQL does not answer on.
pub(super) fn is_fatal(error: &Error) -> bool {
    let Some(cause) = database_error(error) else { return false };
    matches!(store::sqlite_code(cause), Some(7 | 10 | 13)) || store::is_disconnected(cause)
}

/// Serialization failure, deadlock, or a lock that was not free in time.
pub(super) fn is_conflict(error: &Error) -> bool {
    let code = database_error(error).and_then(store::postgres::code);
    code.is_some_and(|code| matches!(code.as_str(), "40001" | "40P01" | "55P03"))
}
