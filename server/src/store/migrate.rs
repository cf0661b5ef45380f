use super::connect::Database;
use crate::error::{Error, Result};
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::MigratorTrait;

#[path = "../../migrations/mod.rs"]
mod migrations;

/// Brings the schema to this version. Safe to call at every start; an older server refuses a newer schema.
pub async fn migrate(database: &Database) -> Result<()> {
    let writer = database.writer().await?;
    let applied = migrations::Migrations::get_migration_models(&writer).await;
    let known = migrations::Migrations::migrations();
    if let Ok(applied) = applied
        && let Some(newer) = applied.iter().find(|a| !known.iter().any(|k| k.name() == a.version))
    {
        let text = format!("the database has the schema of a newer version ({}); start that version", newer.version);
        return Err(Error::internal(text));
    }
    // An index over millions of rows takes longer than any statement of a request may. The pool has one connection.
    let is_postgres = writer.get_database_backend() == DbBackend::Postgres;
    if is_postgres {
        writer.execute_unprepared("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    }
    migrations::Migrations::up(&writer, None)
        .await
        .map_err(|error| Error::internal(format!("{} can't be brought to this version: {error}", database.name())))?;
    if is_postgres {
        writer.execute_unprepared("RESET statement_timeout; RESET lock_timeout").await?;
    }
    Ok(())
}
