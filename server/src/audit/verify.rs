//! Walking the chains from their first event to their head, offline.

use super::chain::{Chains, integrity_hash};
use super::head::{Head, SignedHeads, head_of, is_ours};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::{audit_event, audit_head};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Events read at once.
const PAGE: u64 = 5_000;

/// What a walk found.
#[derive(Debug)]
pub struct Report {
    pub chain: Uuid,
    /// Events that were good, from the first on.
    pub events: i64,
    /// The first thing that is not as it was written.
    pub broken: Option<Broken>,
}

/// Where a chain breaks, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    pub sequence: i64,
    /// The event's id, if there is an event at that place.
    pub event: Option<Uuid>,
    pub what: &'static str,
}

/// Walks every chain; with `kept`, heads that were kept elsewhere, the chains must also contain those.
pub async fn verify(
    connection: &impl ConnectionTrait,
    keyring: &Arc<Keyring>,
    kept: Option<&SignedHeads>,
) -> Result<Vec<Report>> {
    let chains = Chains::new(Arc::clone(keyring));
    let heads = audit_head::Entity::find().all(connection).await?;
    let mut ids: BTreeSet<Uuid> = heads.iter().map(|head| head.org_id).collect();
    let distinct = audit_event::Entity::find().select_only().column(audit_event::Column::OrgId).distinct();
    ids.extend(distinct.into_tuple::<Uuid>().all(connection).await?);
    if let Some(kept) = kept
        && !is_ours(keyring, kept)?
    {
        // Nothing can be said against heads of nobody; a database that was replaced together with its keys is found here.
        return Err(Error::invalid(
            "the kept head was not signed by this server: it is another's, or the database was replaced",
        ));
    }
    let kept_heads = kept.map(|kept| kept.heads.as_slice()).unwrap_or_default();
    ids.extend(kept_heads.iter().map(|head| head.chain));
    let mut reports = Vec::new();
    for chain in ids {
        let head = heads.iter().find(|head| head.org_id == chain);
        let kept = kept_heads.iter().find(|head| head.chain == chain);
        reports.push(walk(connection, &chains, chain, head, kept).await?);
    }
    Ok(reports)
}

async fn walk(
    connection: &impl ConnectionTrait,
    chains: &Chains,
    chain: Uuid,
    head: Option<&audit_head::Model>,
    kept: Option<&Head>,
) -> Result<Report> {
    let mut last: Option<audit_event::Model> = None;
    let mut report = Report { chain, events: 0, broken: None };
    loop {
        let page = audit_event::Entity::find()
            .filter(audit_event::Column::OrgId.eq(chain))
            .filter(audit_event::Column::Sequence.gt(last.as_ref().map_or(i64::MIN, |last| last.sequence)))
            .order_by_asc(audit_event::Column::Sequence)
            .limit(PAGE)
            .all(connection)
            .await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            if let Some(what) = fault(chains, last.as_ref(), &event, kept) {
                report.broken = Some(Broken { sequence: event.sequence, event: Some(event.id), what });
                return Ok(report);
            }
            report.events = event.sequence;
            last = Some(event);
        }
    }
    report.broken = end(last.as_ref(), head, kept);
    Ok(report)
}

/// What is wrong with an event after the one before it.
fn fault(
    chains: &Chains,
    previous: Option<&audit_event::Model>,
    event: &audit_event::Model,
    kept: Option<&Head>,
) -> Option<&'static str> {
    if event.sequence != previous.map_or(1, |previous| previous.sequence + 1) {
        return Some("events before this one were removed");
    }
    if event.prev_event_id != previous.map(|previous| previous.id) {
        return Some("it does not follow the event before it: events were reordered or replaced");
    }
    if event.integrity_hash != integrity_hash(previous.map(|previous| previous.integrity_hash.as_slice()), event) {
        return Some("its hash is wrong: it was edited");
    }
    if !chains.vouches(previous.map(|previous| previous.mac.as_slice()), event) {
        return Some("its keyed MAC is wrong: it was edited or made by somebody without the key");
    }
    if previous.is_some_and(|previous| previous.created_at > event.created_at) {
        return Some("it is older than the event before it");
    }
    match kept {
        Some(kept) if kept.sequence == event.sequence && !is_head(kept, event) => {
            Some("it is not the event of the kept head")
        }
        _ => None,
    }
}

fn is_head(head: &Head, event: &audit_event::Model) -> bool {
    head.event_id == event.id && head.mac == super::chain::wire(&event.mac)
}

/// Whether the chain reaches its head, and the one that was kept elsewhere.
fn end(last: Option<&audit_event::Model>, head: Option<&audit_head::Model>, kept: Option<&Head>) -> Option<Broken> {
    let reached = last.map_or(0, |event| event.sequence);
    let broken = |sequence, what| Some(Broken { sequence, event: None, what });
    match (head, last) {
        (None, None) => {}
        (Some(head), Some(last)) if is_head(&head_of(head), last) => {}
        _ => return broken(reached + 1, "the chain does not end at its head: events at its end were removed"),
    }
    match kept {
        Some(kept) if kept.sequence > reached => {
            broken(reached + 1, "the chain is shorter than the kept head: its end was removed")
        }
        _ => None,
    }
}
