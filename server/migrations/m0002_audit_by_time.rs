//! An index less on the audit trail: times never go back within a chain, so a search by halves finds the first event of a
//! time without one, and every event is one page less to write.

use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0002_audit_by_time"
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut index = Index::drop();
        manager.drop_index(index.name("ix_audit_event_org_id_created_at").table("audit_event").to_owned()).await
    }
}
