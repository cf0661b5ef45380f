use super::connect::Database;
use crate::error::{Error, Result};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sea_orm_migration::{MigratorTrait, SchemaManager};

#[path = "../../migrations/mod.rs"]
mod migrations;

/// Where sea-orm keeps what was applied.
const TABLE: &str = "seaql_migrations";

/// How many migrations were applied; an older server refuses a newer schema.
async fn applied(writer: &DatabaseConnection) -> Result<usize> {
    // Whoever makes the table where there is none is the migration itself.
    if !SchemaManager::new(writer).has_table(TABLE).await? {
        return Ok(0);
    }
    let ask = Statement::from_string(writer.get_database_backend(), format!("SELECT version FROM {TABLE}"));
    let known = migrations::Migrations::migrations();
    let rows = writer.query_all_raw(ask).await?;
    for row in &rows {
        let version: String = row.try_get("", "version")?;
        if !known.iter().any(|known| known.name() == version) {
            let text = format!("the database has the schema of a newer version ({version}); start that version");
            return Err(Error::internal(text));
        }
    }
    Ok(rows.len())
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
