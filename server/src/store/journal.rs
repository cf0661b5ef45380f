//! The seam between a committed change and the audit trail.

use crate::error::Result;
use keepward_api::{AgentId, Timestamp, UserId};
use sea_orm::{DatabaseTransaction, Statement};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use uuid::Uuid;

/// The chain of the server itself, which belongs to no organisation.
pub const SERVER_CHAIN: Uuid = Uuid::nil();

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    User(UserId),
    Agent(AgentId),
    /// The server, or somebody whom no credential has proven.
    System,
}

impl Actor {
    /// The word on the wire and in the database.
    pub fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Agent(_) => "agent",
            Self::System => "system",
        }
    }

    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(id.0),
            Self::Agent(id) => Some(id.0),
            Self::System => None,
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Success,
    /// Not allowed.
    Denied,
    /// Allowed, but the state was against it.
    Failure,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failure => "failure",
        }
    }
}

/// What happened, before it is linked into its chain. Holds no value, key, code, token or mail address.
#[derive(Clone, Debug)]
pub struct Event {
    /// An organisation's id, or [`SERVER_CHAIN`].
    pub chain: Uuid,
    pub action: &'static str,
    pub actor: Actor,
    pub resource: Option<(&'static str, Uuid)>,
    pub outcome: Outcome,
    pub details: Map<String, Value>,
    pub address: Option<IpAddr>,
}

impl Event {
    /// With one more detail.
    pub fn with(mut self, key: &str, value: impl serde::Serialize) -> Self {
        self.details.insert(key.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }
}

/// What became of the events of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub enum Linked {
    All,
    /// Nothing was written: nothing can be added to these chains, whose heads are not their newest events.
    Broken(BTreeSet<Uuid>),
}

/// Links the events of one transaction into their chains, as its last statements. The audit trail implements it.
pub trait Journal: Send + Sync + 'static {
    fn link<'a>(
        &'a self,
        transaction: &'a DatabaseTransaction,
        now: Timestamp,
        events: &'a [Event],
    ) -> Pin<Box<dyn Future<Output = Result<Linked>> + Send + 'a>>;
    /// The same as one statement, where SQLite's heads are known already; whoever runs it says what became of it.
    fn script(&self, now: Timestamp, events: &[Event]) -> Option<Statement>;
    /// The transaction whose events were linked last was undone, and is run again.
    fn undo(&self);
    /// What became of the transaction whose events were linked last.
    fn settle(&self, committed: bool);
}

/// Proof that the answer inside is in the audit trail, durably. Only the committer makes one.
#[derive(Debug)]
pub struct Recorded<T>(T);

impl<T> Recorded<T> {
    pub(super) fn new(inner: T) -> Self {
        Self(inner)
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Recorded<U> {
        Recorded(f(self.0))
    }

    /// Like [`Recorded::map`], for a conversion that can fail.
    pub fn try_map<U>(self, f: impl FnOnce(T) -> Result<U>) -> Result<Recorded<U>> {
        f(self.0).map(Recorded)
    }

    /// The proof apart from the answer, for one that takes waiting to build.
    pub fn split(self) -> (Recorded<()>, T) {
        (Recorded(()), self.0)
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}
