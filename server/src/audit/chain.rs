//! Linking events.

use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::seal::Keyring;
use crate::store::entity::{audit_event, audit_head};
use crate::store::{Event, Journal, Linked, expect_rows, insert_statement, join, upsert_statement};
use keepward_api::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

type Heads = HashMap<Uuid, audit_head::Model>;

/// Links events under the audit sub-key.
pub struct Chains {
    keyring: Arc<Keyring>,
    /// The heads that this process committed last. On SQLite, which has one server, they need not be read again: if a
    /// command on the host wrote an event meanwhile, it has taken its place in the chain, the insert fails, and the
    /// transaction runs again without this. On PostgreSQL they are read, and one that is as it was known needs no check.
    known: Mutex<Heads>,
    /// Heads of the transaction that is not settled yet.
    linked: Mutex<Heads>,
}

/// How far a chain's newest event may be ahead of the clock before its events say so, in microseconds.
const MOST_AHEAD: i64 = 60 * 1_000_000;
/// The detail that says what the clock said.
pub(super) const CLOCK: &str = "clock";

/// The place of a chain's first event.
pub(super) const FIRST_SEQUENCE: i64 = 1;

/// Heads that are kept at most.
const MAX_KNOWN: usize = 10_000;

impl Chains {
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring, known: Mutex::default(), linked: Mutex::default() }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal for Chains {
    fn link<'a>(
        &'a self,
        transaction: &'a DatabaseTransaction,
        now: Timestamp,
        events: &'a [Event],
    ) -> Pin<Box<dyn Future<Output = Result<Linked>> + Send + 'a>> {
        Box::pin(self.append(transaction, now, events))
    }

    fn script(&self, now: Timestamp, events: &[Event]) -> Option<Statement> {
        let known = locked(&self.known);
        let heads: Option<Heads> =
            events.iter().map(|event| Some((event.chain, known.get(&event.chain)?.clone()))).collect();
        drop(known);
        let (rows, heads) = self.extend(heads?, now, events);
        let script = script(&rows, &heads);
        *locked(&self.linked) = heads;
        script
    }

    fn undo(&self) {
        locked(&self.linked).clear();
    }

    fn settle(&self, committed: bool) {
        let linked = std::mem::take(&mut *locked(&self.linked));
        let mut known = locked(&self.known);
        if !committed || known.len() + linked.len() > MAX_KNOWN {
            known.clear();
        }
        if committed {
            known.extend(linked);
        }
    }
}

/// Rows in one INSERT at most: a statement text for each number up to it is kept.
const CHUNK: usize = 32;

impl Chains {
    async fn append(&self, transaction: &DatabaseTransaction, now: Timestamp, events: &[Event]) -> Result<Linked> {
        let chains: BTreeSet<Uuid> = events.iter().map(|event| event.chain).collect();
        let mut heads = Heads::new();
        let mut broken = BTreeSet::new();
        for (chain, head) in self.heads(transaction, chains).await? {
            match head {
                Ok(Some(head)) => drop(heads.insert(chain, head)),
                Ok(None) => {}
                Err(NotNewest) => drop(broken.insert(chain)),
            }
        }
        if !broken.is_empty() {
            return Ok(Linked::Broken(broken));
        }
        let (rows, heads) = self.extend(heads, now, events);
        for (statement, count) in statements(transaction.get_database_backend(), &rows, &heads) {
            expect_rows(transaction.execute_raw(statement).await?.rows_affected(), count as u64)?;
        }
        *locked(&self.linked) = heads;
        Ok(Linked::All)
    }

    /// The rows of events after these heads, and the heads after them.
    fn extend(&self, mut heads: Heads, now: Timestamp, events: &[Event]) -> (Vec<audit_event::Model>, Heads) {
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            let row = self.next(heads.get(&event.chain), now, event);
            heads.insert(event.chain, head_of(&row));
            rows.push(row);
        }
        (rows, heads)
    }

    /// The heads of chains. On PostgreSQL they are locked in the order of their ids, once a transaction, so that chains never
    /// deadlock. One that this process does not know is checked against the chain.
    async fn heads(
        &self,
        transaction: &DatabaseTransaction,
        chains: BTreeSet<Uuid>,
    ) -> Result<Vec<(Uuid, std::result::Result<Option<audit_head::Model>, NotNewest>)>> {
        let is_postgres = transaction.get_database_backend() == DbBackend::Postgres;
        let known: Heads = {
            let known = locked(&self.known);
            chains.iter().filter_map(|chain| Some((*chain, known.get(chain)?.clone()))).collect()
        };
        let unread: Vec<Uuid> =
            chains.iter().filter(|chain| is_postgres || !known.contains_key(chain)).copied().collect();
        let (mut read, unreadable) = read_heads_apart(transaction, unread).await?;
        let mut heads = Vec::with_capacity(chains.len());
        for chain in chains {
            if unreadable.contains(&chain) {
                heads.push((chain, Err(NotNewest::told(chain))));
                continue;
            }
            let known = known.get(&chain);
            let head = match read.remove(&chain) {
                Some(read) => Some(read),
                None if is_postgres => None,
                None => known.cloned(),
            };
            let head = if head.is_some() && head.as_ref() == known {
                Ok(head)
            } else {
                self.checked(transaction, chain, head).await?
            };
            heads.push((chain, head));
        }
        Ok(heads)
    }

    /// A head that is the chain's newest event, column by column, under a good MAC.
    async fn checked(
        &self,
        transaction: &DatabaseTransaction,
        chain: Uuid,
        head: Option<audit_head::Model>,
    ) -> Result<std::result::Result<Option<audit_head::Model>, NotNewest>> {
        let newest = audit_event::Entity::find().filter(audit_event::Column::OrgId.eq(chain));
        let newest = newest.order_by_desc(audit_event::Column::Sequence).limit(2).all(transaction).await;
        let newest = match newest.map_err(Error::from) {
            // A column has the wrong type. Break this chain only, not the whole batch.
            Err(Error::Internal { .. }) => return Ok(Err(NotNewest::told(chain))),
            newest => newest?,
        };
        let head = match (head, newest.is_empty()) {
            // Another server may have begun the chain since.
            (None, false) => read_heads(transaction, vec![chain]).await?.remove(&chain),
            (head, _) => head,
        };
        let mut newest = newest.iter();
        let (last, before) = (newest.next(), newest.next());
        let is_vouched = last.is_none_or(|last| self.vouches(before.map(|before| before.mac.as_slice()), last));
        if head == last.map(head_of) && is_vouched {
            return Ok(Ok(head));
        }
        Ok(Err(NotNewest::told(chain)))
    }

    fn next(&self, head: Option<&audit_head::Model>, now: Timestamp, event: &Event) -> audit_event::Model {
        let created_at = now.microseconds().max(head.map_or(0, |head| head.created_at));
        let mut details = event.details.clone();
        if created_at - now.microseconds() > MOST_AHEAD {
            // The chain was ahead of the clock when it jumped: the event says what the clock says.
            details.insert(CLOCK.to_owned(), now.to_string().into());
            METRICS
                .ahead_of_clock(event.chain, Duration::from_micros((created_at - now.microseconds()).unsigned_abs()));
        }
        let mut row = audit_event::Model {
            org_id: event.chain,
            // The last number that there is would be taken twice, and refused.
            sequence: head.map_or(FIRST_SEQUENCE, |head| head.sequence.saturating_add(1)),
            id: crate::ids::new::<Uuid>(),
            action: event.action.to_owned(),
            actor_type: event.actor.kind().to_owned(),
            actor_id: event.actor.id(),
            resource_type: event.resource.map(|(kind, _)| kind.to_owned()),
            resource_id: event.resource.map(|(_, id)| id),
            outcome: event.outcome.word().to_owned(),
            details: serde_json::Value::Object(details).to_string(),
            ip_address: event.address.map(|address| address.to_string()),
            created_at,
            prev_event_id: head.map(|head| head.event_id),
            integrity_hash: Vec::new(),
            mac: Vec::new(),
        };
        row.integrity_hash = integrity_hash(head.map(|head| head.integrity_hash.as_slice()), &row).to_vec();
        row.mac = self.keyring.sub_keys.audit.tag(&message(head.map(|head| head.mac.as_slice()), &row));
        row
    }

    /// Whether the keyed chain vouches for this event after the one with that MAC.
    pub fn vouches(&self, previous_mac: Option<&[u8]>, row: &audit_event::Model) -> bool {
        self.keyring.sub_keys.audit.verify_tag(&message(previous_mac, row), &row.mac)
    }
}

/// A chain whose head is not its newest event.
struct NotNewest;

impl NotNewest {
    /// Says so in the log.
    fn told(chain: Uuid) -> Self {
        tracing::error!(
            organisation = %chain,
            "the head of an audit chain is not its newest event: nothing is added to it; see `audit verify`"
        );
        Self
    }
}

/// The same as [`read_heads`], and the chains whose heads can't be read, since a column holds another type than was written.
async fn read_heads_apart(transaction: &DatabaseTransaction, chains: Vec<Uuid>) -> Result<(Heads, BTreeSet<Uuid>)> {
    let mut unreadable = BTreeSet::new();
    if chains.is_empty() {
        return Ok((Heads::new(), unreadable));
    }
    match read_heads(transaction, chains.clone()).await {
        Err(Error::Internal { .. }) => {}
        read => return read.map(|heads| (heads, unreadable)),
    }
    let mut heads = Heads::new();
    for chain in chains {
        match read_heads(transaction, vec![chain]).await {
            Err(Error::Internal { .. }) => drop(unreadable.insert(chain)),
            read => heads.extend(read?),
        }
    }
    Ok((heads, unreadable))
}

/// Heads as they are in the table; locked, on PostgreSQL.
async fn read_heads(transaction: &DatabaseTransaction, chains: Vec<Uuid>) -> Result<Heads> {
    let mut select = audit_head::Entity::find().order_by_asc(audit_head::Column::OrgId);
    if transaction.get_database_backend() == DbBackend::Postgres {
        select = select.lock_exclusive();
    }
    let found = select.filter(audit_head::Column::OrgId.is_in(chains)).all(transaction).await?;
    Ok(found.into_iter().map(|head| (head.org_id, head)).collect())
}

/// What writes events and heads, each with the number of its rows; SQLite takes the last events and the last heads as one.
fn statements(backend: DbBackend, rows: &[audit_event::Model], heads: &Heads) -> Vec<(Statement, usize)> {
    let heads: Vec<audit_head::Model> = heads.values().cloned().collect();
    let mut statements: Vec<_> = rows.chunks(CHUNK).map(|rows| (insert_statement(backend, rows), rows.len())).collect();
    let mut heads = heads.as_slice();
    if backend == DbBackend::Sqlite
        && let Some((events, count)) = statements.pop()
    {
        let (rest, last) = heads.split_at(heads.len().saturating_sub(CHUNK));
        statements.push((join(events, upsert_statement(backend, last)), count + last.len()));
        heads = rest;
    }
    statements.extend(heads.chunks(CHUNK).map(|heads| (upsert_statement(backend, heads), heads.len())));
    statements
}

/// The same for SQLite as one statement, which fails where another number of rows was written.
fn script(rows: &[audit_event::Model], heads: &Heads) -> Option<Statement> {
    let backend = DbBackend::Sqlite;
    let heads: Vec<audit_head::Model> = heads.values().cloned().collect();
    let events = rows.chunks(CHUNK).map(|rows| expecting(insert_statement(backend, rows), rows.len()));
    let heads = heads.chunks(CHUNK).map(|heads| expecting(upsert_statement(backend, heads), heads.len()));
    events.chain(heads).reduce(join)
}

/// With a statement behind it that answers no row, and overflows if the one before wrote another number of rows.
fn expecting(mut statement: Statement, rows: usize) -> Statement {
    statement.sql.push_str(&format!("; SELECT abs(-9223372036854775808) WHERE changes() <> {rows}"));
    statement
}

pub(super) fn head_of(row: &audit_event::Model) -> audit_head::Model {
    audit_head::Model {
        org_id: row.org_id,
        sequence: row.sequence,
        event_id: row.id,
        integrity_hash: row.integrity_hash.clone(),
        mac: row.mac.clone(),
        created_at: row.created_at,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The contract's link: SHA-256 over `prev_hash|event_id|actor_id|action|resource_type|resource_id|timestamp`.
pub fn integrity_hash(previous: Option<&[u8]>, row: &audit_event::Model) -> [u8; 32] {
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let line = format!(
        "{}|{}|{}|{}|{}|{}|{}",
        previous.map(hex).unwrap_or_default(),
        row.id,
        text(row.actor_id),
        row.action,
        row.resource_type.as_deref().unwrap_or_default(),
        text(row.resource_id),
        Timestamp::from_microseconds(row.created_at),
    );
    Sha256::digest(line.as_bytes()).into()
}

/// Everything about an event, each part length-prefixed, after the previous event's MAC.
fn message(previous_mac: Option<&[u8]>, row: &audit_event::Model) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let mut put = |part: &[u8]| {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    };
    let id = |id: Option<Uuid>| id.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    put(b"keepward/audit/v1");
    put(previous_mac.unwrap_or_default());
    put(row.org_id.as_bytes());
    put(&row.sequence.to_be_bytes());
    put(row.id.as_bytes());
    put(row.action.as_bytes());
    put(row.actor_type.as_bytes());
    put(&id(row.actor_id));
    put(row.resource_type.as_deref().unwrap_or_default().as_bytes());
    put(&id(row.resource_id));
    put(row.outcome.as_bytes());
    put(row.details.as_bytes());
    put(row.ip_address.as_deref().unwrap_or_default().as_bytes());
    put(&row.created_at.to_be_bytes());
    put(&id(row.prev_event_id));
    put(&row.integrity_hash);
    bytes
}

/// The wire form of a hash.
pub(super) fn wire(hash: &[u8]) -> String {
    hex(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_hash() {
        let row = audit_event::Model {
            org_id: Uuid::nil(),
            sequence: 1,
            id: Uuid::from_u128(1),
            action: "secret.read".into(),
            actor_type: "agent".into(),
            actor_id: Some(Uuid::from_u128(2)),
            resource_type: None,
            resource_id: None,
            outcome: "success".into(),
            details: "{}".into(),
            ip_address: None,
            created_at: 1_000_000,
            prev_event_id: None,
            integrity_hash: vec![],
            mac: vec![],
        };
        let first = integrity_hash(None, &row);
        let line = "|00000000-0000-0000-0000-000000000001|00000000-0000-0000-0000-000000000002|secret.read|||1970-01-01T00:00:01.000000Z";
        assert_eq!(first, <[u8; 32]>::from(Sha256::digest(line)));
        let second = integrity_hash(Some(&first), &row);
        assert_eq!(second, <[u8; 32]>::from(Sha256::digest(format!("{}{line}", hex(&first)))));
    }
}
