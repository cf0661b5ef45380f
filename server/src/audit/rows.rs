//! Reading the trail.

use super::chain::wire;
use crate::error::Result;
use crate::store::entity::audit_event::{Column, Entity, Model};
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
        query = query.filter(Column::CreatedAt.gte(from.microseconds()));
    }
    if let Some(to) = filter.to {
        query = query.filter(Column::CreatedAt.lte(to.microseconds()));
    }
    let rows = query.order_by_desc(Column::Sequence).limit(filter.limit).offset(filter.offset).all(connection).await?;
    Ok(rows.into_iter().map(|row| convert(org, row)).collect())
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
