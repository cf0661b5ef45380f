//! An index less on the audit trail: times never go back within a chain, so a search by halves finds the first event of a
//! time without one, and every event is one page less to write.

use sea_orm::DbBackend;
use sea_orm::sea_query::Index;

pub(super) fn statements(backend: DbBackend) -> Vec<String> {
    let mut index = Index::drop();
    index.name("ix_audit_event_org_id_created_at").table("audit_event");
    vec![backend.build(&index).sql]
}
