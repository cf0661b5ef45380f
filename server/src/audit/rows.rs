//! Reading the trail.

use super::chain::{FIRST_SEQUENCE, wire};
use crate::error::Result;
use crate::store::entity::audit_event::{Column, Entity, Model};
use keepward_api::{EventId, OrgId, Timestamp, types};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

/// What a query asks for; a text that can't be in the trail matches nothing.
#[derive(Default)]
pub struct Filter {
    pub resource_id: Option<String>,
    pub actor_id: Option<String>,
    pub action: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub limit: u64,
    pub offset: u64,
}

/// The newest events of an organisation that match, newest first.
pub async fn events(connection: &impl ConnectionTrait, org: OrgId, filter: &Filter) -> Result<Vec<types::AuditEvent>> {
    let mut query = Entity::find().filter(Column::OrgId.eq(org.0));
    // Few events are of one resource, more of one actor, most of one action. SQLite knows nothing of that: of two columns
    // that are equal to something it may search the index of the wrong one, and look at millions of events. No index is
    // searched for what is not different.
    let id = |wanted: &str| Uuid::try_parse(wanted).ok();
    if let Some(wanted) = &filter.resource_id {
        let Some(resource) = id(wanted) else { return Ok(Vec::new()) };
        query = query.filter(Column::ResourceId.eq(resource));
    }
    if let Some(wanted) = &filter.actor_id {
        let Some(actor) = id(wanted) else { return Ok(Vec::new()) };
        query = query.filter(match filter.resource_id {
            None => Column::ActorId.eq(actor),
            Some(_) => Column::ActorId.ne(actor).not(),
        });
    }
    if let Some(action) = filter.action.as_deref() {
        if action.contains('\0') {
            return Ok(Vec::new());
        }
        query = query.filter(match (&filter.resource_id, &filter.actor_id) {
            (None, None) => Column::Action.eq(action),
            _ => Column::Action.ne(action).not(),
        });
    }
    // A chain begins at 1: anything before that was put there by a writer of the database.
    let (mut first, mut last) = (FIRST_SEQUENCE, i64::MAX);
    if let Some(from) = filter.from {
        first = first_since(connection, org, from.microseconds()).await?;
        query = query.filter(Column::CreatedAt.gte(from.microseconds()));
    }
    if let Some(to) = filter.to {
        last = first_since(connection, org, to.microseconds().saturating_add(1)).await?.saturating_sub(1);
        query = query.filter(Column::CreatedAt.lte(to.microseconds()));
    }
    // As one range: SQLite would rather search two ends than an index that has what else is asked for.
    query = query.filter(Column::Sequence.between(first, last));
    let rows = query.order_by_desc(Column::Sequence).limit(filter.limit).offset(filter.offset).all(connection).await?;
    Ok(rows.into_iter().map(|row| convert(org, row)).collect())
}

/// The sequence from which on a chain's events are not older than a time. Times never go back within a chain, so that
/// halving finds it; where events were removed, the next one that is there speaks for them.
async fn first_since(connection: &impl ConnectionTrait, org: OrgId, time: i64) -> Result<i64> {
    let newest = of_chain(org).order_by_desc(Column::Sequence).into_tuple().one(connection).await?;
    let Some((newest, at)): Option<(i64, i64)> = newest else { return Ok(i64::MAX) };
    if at < time {
        return Ok(i64::MAX);
    }
    // Every event before `low` is older; none from `high` on is.
    let (mut low, mut high) = (FIRST_SEQUENCE, newest);
    while low < high {
        let middle = low + (high - low) / 2;
        let next = of_chain(org).filter(Column::Sequence.gte(middle)).order_by_asc(Column::Sequence);
        match next.into_tuple::<(i64, i64)>().one(connection).await? {
            Some((sequence, at)) if at < time => low = sequence + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Places and times of a chain's events.
fn of_chain(org: OrgId) -> Select<Entity> {
    Entity::find().select_only().columns([Column::Sequence, Column::CreatedAt]).filter(Column::OrgId.eq(org.0))
}

fn convert(org: OrgId, row: Model) -> types::AuditEvent {
    types::AuditEvent {
        id: Some(EventId(row.id)),
        action: Some(row.action),
        actor_id: row.actor_id.map(|id| id.to_string()),
        actor_type: Some(row.actor_type),
        resource_type: row.resource_type,
        resource_id: row.resource_id.map(|id| id.to_string()),
        org_id: Some(org),
        details: serde_json::from_str(&row.details).unwrap_or_default(),
        ip_address: row.ip_address,
        created_at: Some(Timestamp::from_microseconds(row.created_at)),
        outcome: Some(row.outcome),
        prev_event_id: row.prev_event_id.map(EventId),
        integrity_hash: Some(wire(&row.integrity_hash)),
    }
}
