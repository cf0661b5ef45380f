//! Linking events.

use crate::error::Result;
use crate::seal::Keyring;
use crate::store::entity::{audit_event, audit_head};
use crate::store::{Event, Journal};
use keepward_api::Timestamp;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// Links events under the audit sub-key.
pub struct Chains {
    keyring: Arc<Keyring>,
}

impl Chains {
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring }
    }
}

impl Journal for Chains {
    fn link<'a>(
        &'a self,
        transaction: &'a DatabaseTransaction,
        now: Timestamp,
        events: &'a [Event],
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(self.append(transaction, now, events))
    }
}

/// Rows in one INSERT: powers of two, so that few statement texts serve every batch.
const CHUNKS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

impl Chains {
    /// Chain heads are locked in the order of their ids, once a transaction, so that chains never deadlock.
    async fn append(&self, transaction: &DatabaseTransaction, now: Timestamp, events: &[Event]) -> Result<()> {
        let mut heads: BTreeMap<Uuid, Option<audit_head::Model>> =
            events.iter().map(|event| (event.chain, None)).collect();
        let mut select = audit_head::Entity::find()
            .filter(audit_head::Column::OrgId.is_in(heads.keys().copied()))
            .order_by_asc(audit_head::Column::OrgId);
        if transaction.get_database_backend() == DbBackend::Postgres {
            select = select.lock_exclusive();
        }
        for head in select.all(transaction).await? {
            heads.insert(head.org_id, Some(head));
        }
        let known: Vec<Uuid> = heads.iter().filter(|(_, head)| head.is_some()).map(|(id, _)| *id).collect();
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            let head = heads.entry(event.chain).or_default();
            let row = self.next(head.as_ref(), now, event);
            *head = Some(head_of(&row));
            rows.push(row);
        }
        insert(transaction, rows).await?;
        for head in heads.into_values().flatten() {
            let is_known = known.contains(&head.org_id);
            let head = head.into_active_model().reset_all();
            if is_known {
                audit_head::Entity::update(head).exec(transaction).await?;
            } else {
                audit_head::Entity::insert(head).exec_without_returning(transaction).await?;
            }
        }
        Ok(())
    }

    fn next(&self, head: Option<&audit_head::Model>, now: Timestamp, event: &Event) -> audit_event::Model {
        let created_at = now.microseconds().max(head.map_or(0, |head| head.created_at));
        let mut row = audit_event::Model {
            org_id: event.chain,
            sequence: head.map_or(1, |head| head.sequence + 1),
            id: crate::ids::new::<Uuid>(),
            action: event.action.to_owned(),
            actor_type: event.actor.kind().to_owned(),
            actor_id: event.actor.id(),
            resource_type: event.resource.map(|(kind, _)| kind.to_owned()),
            resource_id: event.resource.map(|(_, id)| id),
            outcome: event.outcome.word().to_owned(),
            details: serde_json::Value::Object(event.details.clone()).to_string(),
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

async fn insert(transaction: &DatabaseTransaction, rows: Vec<audit_event::Model>) -> Result<()> {
    let mut rows = rows.into_iter().peekable();
    for size in CHUNKS {
        while rows.len() >= size {
            let chunk: Vec<_> = rows.by_ref().take(size).map(|row| row.into_active_model().reset_all()).collect();
            audit_event::Entity::insert_many(chunk).exec_without_returning(transaction).await?;
        }
    }
    Ok(())
}

fn head_of(row: &audit_event::Model) -> audit_head::Model {
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
