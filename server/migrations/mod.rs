//! One change of the schema a file, oldest first. What has landed is never edited: the next change is a file of its own,
//! with a test that starts from the old database.

use sea_orm_migration::prelude::*;

mod m0001_first;
mod m0002_audit_by_time;
mod m0003_newest_version;

pub(crate) struct Migrations;

#[sea_orm_migration::async_trait::async_trait]
impl MigratorTrait for Migrations {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0002_audit_by_time::Migration),
            Box::new(m0003_newest_version::Migration),
        ]
    }
}
