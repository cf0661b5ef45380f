use super::connect::Database;
use crate::error::{Error, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use sea_orm_migration::MigratorTrait;

#[path = "../../migrations/mod.rs"]
mod migrations;

/// How many migrations were applied; an older server refuses a newer schema.
async fn applied(writer: &DatabaseConnection) -> Result<usize> {
    // A database without that table has none.
    let applied = migrations::Migrations::get_migration_models(writer).await.unwrap_or_default();
    let known = migrations::Migrations::migrations();
    if let Some(newer) = applied.iter().find(|a| !known.iter().any(|k| k.name() == a.version)) {
        let text = format!("the database has the schema of a newer version ({}); start that version", newer.version);
        return Err(Error::internal(text));
    }
    Ok(applied.len())
}

/// Refuses a database whose schema is not this version's, and changes nothing: servers of another version may run on it.
pub async fn check_schema(database: &Database) -> Result<()> {
    match applied(&database.writer().await?).await? {
        0 => Err(Error::internal("this database has no keys yet: start the server, or run `migrate`, first")),
        some if some < migrations::Migrations::migrations().len() => {
            Err(Error::internal("the database has the schema of an older version: run `migrate` first"))
        }
        _ => Ok(()),
    }
}

/// Brings the schema to this version. Safe to call at every start.
pub async fn migrate(database: &Database) -> Result<()> {
    let writer = database.writer().await?;
    applied(&writer).await?;
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
