//! The organisation's trail, as its members and agents see it.

use crate::app::App;
use crate::audit::Filter;
use crate::caller::{AnyCaller, action};
use crate::error::{Error, Result};
use keepward_api::{params::AuditEventsParams, types::AuditEventsResponse};

/// Larger limits count as this one.
const MAX_LIMIT: i32 = 1000;
const DEFAULT_LIMIT: i32 = 100;

pub(crate) async fn events(app: &App, caller: AnyCaller, params: AuditEventsParams) -> Result<AuditEventsResponse> {
    let _grant = caller.live().may::<action::Own>()?;
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let limit = u64::try_from(limit).ok().filter(|limit| *limit > 0);
    let offset = u64::try_from(params.offset.unwrap_or(0));
    let filter = Filter {
        resource_id: params.resource_id,
        actor_id: params.actor_id,
        action: params.action,
        from: params.from,
        to: params.to,
        limit: limit.ok_or_else(|| Error::field("limit", "must be 1 or more"))?,
        offset: offset.map_err(|_| Error::field("offset", "must be 0 or more"))?,
    };
    let events =
        app.database.read(crate::audit::events(&app.database.readers(), caller.session().org, &filter)).await?;
    let count = i32::try_from(events.len()).map_err(Error::internal)?;
    Ok(AuditEventsResponse { events, count: Some(count) })
}
