//! Reading the trail.

use super::chain::wire;
use crate::error::Result;
use crate::store::entity::audit_event::{Column, Entity, Model};
use crate::store::entity::audit_head;
use keepward_api::{EventId, OrgId, Timestamp, types};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
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
    for (column, wanted) in [(Column::ResourceId, &filter.resource_id), (Column::ActorId, &filter.actor_id)] {
        match wanted.as_deref().map(Uuid::try_parse) {
            None => {}
            Some(Ok(id)) => query = query.filter(column.eq(id)),
            Some(Err(_)) => return Ok(Vec::new()),
        }
    }
    if let Some(action) = &filter.action {
        if action.contains('\0') {
            return Ok(Vec::new());
        }
        query = query.filter(Column::Action.eq(action.as_str()));
    }
    if let Some(from) = filter.from {
        query = query.filter(Column::Sequence.gte(first_since(connection, org, from.microseconds()).await?));
    }
    if let Some(to) = filter.to {
        let end = to.microseconds().saturating_add(1);
        query = query.filter(Column::Sequence.lt(first_since(connection, org, end).await?));
    }
    let rows = query.order_by_desc(Column::Sequence).limit(filter.limit).offset(filter.offset).all(connection).await?;
    Ok(rows.into_iter().map(|row| convert(org, row)).collect())
}

/// The sequence of a chain's first event that is not older than a time, or the one after its last. Times never go back
/// within a chain, so that halving finds it.
async fn first_since(connection: &impl ConnectionTrait, org: OrgId, time: i64) -> Result<i64> {
    let head = audit_head::Entity::find_by_id(org.0).one(connection).await?;
    // Every event before `low` is older; none from `high` on is.
    let (mut low, mut high) = (1, head.map_or(1, |head| head.sequence + 1));
    while low < high {
        let middle = low + (high - low) / 2;
        let of_middle = Entity::find_by_id((org.0, middle)).select_only().column(Column::CreatedAt);
        let at: Option<i64> = of_middle.into_tuple().one(connection).await?;
        match at {
            Some(at) if at < time => low = middle + 1,
            // One that was removed counts as young: what is left of the chain is shown rather than hidden.
            _ => high = middle,
        }
    }
    Ok(low)
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
