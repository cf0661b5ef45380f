//! Walking the chains from their first event to their head, offline.

use super::chain::{CLOCK, Chains, FIRST_SEQUENCE, integrity_hash};
use super::head::{Head, SignedHeads, is_ours};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::{audit_event, audit_head};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Events read at once.
const PAGE: u64 = 5_000;

/// Breaks that are kept of one chain; the others are counted.
const MAX_BREAKS: usize = 1_000;

/// What a walk found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The organisation; nil is the server's own chain.
    pub chain: Uuid,
    /// Events in the table.
    pub events: u64,
    /// Everything that is not as it was written, in the order of the chain, up to a thousand.
    pub breaks: Vec<Broken>,
    /// Breaks beyond those.
    pub more_breaks: u64,
    /// Events that were written while the chain was ahead of the clock, from the first place to the last. Their times are not
    /// those of the clock, which their details hold.
    pub ahead_of_clock: Option<(i64, i64)>,
}

impl Report {
    fn add(&mut self, broken: Broken) {
        if self.breaks.len() < MAX_BREAKS {
            self.breaks.push(broken);
        } else {
            self.more_breaks += 1;
        }
    }
}

/// Where a chain breaks, and how.
#[derive(Debug, PartialEq, Eq, Serialize)]
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
    let mut report = Report { chain, events: 0, breaks: Vec::new(), more_breaks: 0, ahead_of_clock: None };
    // The event that the next one has to follow, and the last row that was read, whatever its place.
    let (mut last, mut read): (Option<audit_event::Model>, Option<i64>) = (None, None);
    loop {
        let rows = audit_event::Entity::find().filter(audit_event::Column::OrgId.eq(chain));
        // Without a bound for the first page: an event may stand at the least number that there is.
        let rows = match read {
            Some(read) => rows.filter(audit_event::Column::Sequence.gt(read)),
            None => rows,
        };
        let page = rows.order_by_asc(audit_event::Column::Sequence).limit(PAGE).all(connection).await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            (report.events, read) = (report.events + 1, Some(event.sequence));
            if event.details.contains(CLOCK) && says_clock(&event) {
                let first = report.ahead_of_clock.map_or(event.sequence, |(first, _)| first);
                report.ahead_of_clock = Some((first, event.sequence));
            }
            let what = fault(chains, last.as_ref(), &event, kept);
            if let Some(what) = what {
                report.add(Broken { sequence: event.sequence, event: Some(event.id), what });
            }
            // Don't judge the chain against an event before its first place.
            if event.sequence >= FIRST_SEQUENCE {
                last = Some(event);
            }
        }
    }
    if let Some(broken) = end(last.as_ref(), head, kept) {
        report.add(broken);
    }
    Ok(report)
}

fn says_clock(event: &audit_event::Model) -> bool {
    let details = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&event.details);
    details.is_ok_and(|details| details.contains_key(CLOCK))
}

/// What is wrong with an event after the one before it.
fn fault(
    chains: &Chains,
    previous: Option<&audit_event::Model>,
    event: &audit_event::Model,
    kept: Option<&Head>,
) -> Option<&'static str> {
    if event.sequence < FIRST_SEQUENCE {
        return Some("a chain begins at 1: it was added before the first event");
    }
    if Some(event.sequence) != previous.map_or(Some(FIRST_SEQUENCE), |previous| previous.sequence.checked_add(1)) {
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
    if head != last.map(super::chain::head_of).as_ref() {
        let what = match (head, last) {
            (Some(head), Some(last)) if head.sequence == last.sequence => {
                "its head is not what its last event says: it was edited"
            }
            _ => "the chain does not end at its head: events at its end were removed",
        };
        return broken(reached.saturating_add(1), what);
    }
    match kept {
        Some(kept) if kept.sequence > reached => {
            broken(reached.saturating_add(1), "the chain is shorter than the kept head: its end was removed")
        }
        _ => None,
    }
}
