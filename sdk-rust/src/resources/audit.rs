use super::Prepared;
use crate::{Client, params, types};

/// The organisation's audit trail.
pub struct Audit<'a>(pub(crate) &'a Client);

impl<'a> Audit<'a> {
    /// The newest events, newest first; filters are set on the request.
    ///
    /// ```no_run
    /// # async fn example(client: keepward::Client) -> keepward::Result<()> {
    /// let reads = client.audit().events().set(|query| query.action = Some("secret.read".into())).await?;
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> Prepared<'a, params::AuditEventsParams, types::AuditEventsResponse> {
        let client = self.0;
        let query = params::AuditEventsParams {
            resource_id: None,
            actor_id: None,
            action: None,
            from: None,
            to: None,
            limit: None,
            offset: None,
        };
        Prepared::new(Ok(query), move |query| async move {
            let mut call = client.api().audit_events();
            if let Some(id) = query.resource_id {
                call = call.resource_id(id);
            }
            if let Some(id) = query.actor_id {
                call = call.actor_id(id);
            }
            if let Some(action) = query.action {
                call = call.action(action);
            }
            if let Some(from) = query.from {
                call = call.from(from);
            }
            if let Some(to) = query.to {
                call = call.to(to);
            }
            if let Some(limit) = query.limit {
                call = call.limit(limit);
            }
            if let Some(offset) = query.offset {
                call = call.offset(offset);
            }
            client.send(call.send()).await
        })
    }
}
