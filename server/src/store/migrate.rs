//! Brings a database's schema to this version: every migration that it lacks, each in a transaction with the row that says
//! it was applied.

use super::connect::Database;
use crate::error::{Error, Result};
use migrations::MIGRATIONS;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TransactionTrait};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

#[path = "../../migrations/mod.rs"]
mod migrations;

/// Where the names of applied migrations are, in the form that sea-orm's migrator gave it.
pub(super) const TABLE: &str = "seaql_migrations";
const CREATE_TABLE: &str = r#"CREATE TABLE IF NOT EXISTS "seaql_migrations" ( "version" varchar NOT NULL PRIMARY KEY, "applied_at" bigint NOT NULL )"#;

async fn has_table(writer: &DatabaseConnection) -> Result<bool> {
    let backend = writer.get_database_backend();
    let ask = match backend {
        DbBackend::Postgres => {
            "SELECT 1 AS one FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA() AND table_name = "
        }
        _ => "SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = ",
    };
    Ok(writer.query_one_raw(Statement::from_string(backend, format!("{ask}'{TABLE}'"))).await?.is_some())
}

/// The names of the migrations that were applied. An older server refuses a newer schema.
async fn applied(writer: &DatabaseConnection) -> Result<BTreeSet<String>> {
    if !has_table(writer).await? {
        return Ok(BTreeSet::new());
    }
    let ask = Statement::from_string(writer.get_database_backend(), format!("SELECT version FROM {TABLE}"));
    let mut names = BTreeSet::new();
    for row in writer.query_all_raw(ask).await? {
        let name: String = row.try_get("", "version")?;
        if !MIGRATIONS.iter().any(|known| known.name == name) {
            let text = format!("the database has the schema of a newer version ({name}); start that version");
            return Err(Error::internal(text));
        }
        names.insert(name);
    }
    Ok(names)
}

/// Refuses a database whose schema is not this version's, and changes nothing: servers of another version may run on it.
pub async fn check_schema(database: &Database) -> Result<()> {
    match applied(&database.writer().await?).await?.len() {
        0 => Err(Error::internal("this database has no keys yet: start the server, or run `migrate`, first")),
        some if some < MIGRATIONS.len() => {
            Err(Error::internal("the database has the schema of an older version: run `migrate` first"))
        }
        _ => Ok(()),
    }
}

/// Brings the schema to this version. Safe to call at every start.
pub async fn migrate(database: &Database) -> Result<()> {
    let writer = database.writer().await?;
    let applied = applied(&writer).await?;
    // An index over millions of rows takes longer than any statement of a request may. The pool has one connection.
    let is_postgres = writer.get_database_backend() == DbBackend::Postgres;
    if is_postgres {
        writer.execute_unprepared("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    }
    apply_all_but(&applied, &writer)
        .await
        .map_err(|error| Error::internal(format!("{} can't be brought to this version: {error}", database.name())))?;
    if is_postgres {
        writer.execute_unprepared("RESET statement_timeout; RESET lock_timeout").await?;
    }
    Ok(())
}

async fn apply_all_but(applied: &BTreeSet<String>, writer: &DatabaseConnection) -> Result<(), DbErr> {
    let backend = writer.get_database_backend();
    writer.execute_unprepared(CREATE_TABLE).await?;
    for migration in MIGRATIONS.iter().filter(|migration| !applied.contains(migration.name)) {
        let transaction = writer.begin().await?;
        for statement in (migration.statements)(backend) {
            transaction.execute_unprepared(&statement).await?;
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let row = format!("INSERT INTO {TABLE} (version, applied_at) VALUES ('{}', {seconds})", migration.name);
        transaction.execute_unprepared(&row).await?;
        transaction.commit().await?;
    }
    Ok(())
}
