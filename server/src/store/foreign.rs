//! Foreign objects in the database. Triggers and rules on our tables are refused: they can change what our statements do
//! without a trace. Other tables only cause a warning.

use super::connect::Database;
use super::migrate::TABLE as MIGRATIONS;
use crate::error::{Error, Result};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// Our tables; a test starts a server and finds no other.
const TABLES: [&str; 13] = [
    MIGRATIONS,
    "agent",
    "api_key",
    "audit_event",
    "audit_head",
    "key_record",
    "meta",
    "organisation",
    "policy",
    "revoked_token",
    "secret_version",
    "users",
    "vault",
];

/// Triggers and rules by name and table. Those an extension owns (deptype `e`) are ignored: creating extensions takes more
/// rights than a database writer has.
const TRIGGERS_OF_POSTGRES: &str = "SELECT t.tgname::text AS name, c.relname::text AS on_table \
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE NOT t.tgisinternal AND n.nspname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_depend d \
        WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e') \
    UNION ALL SELECT r.rulename::text, c.relname::text \
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE r.rulename <> '_RETURN' AND n.nspname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_depend d \
        WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.deptype = 'e')";
const TRIGGERS_OF_SQLITE: &str = "SELECT name, tbl_name AS on_table FROM sqlite_schema WHERE type = 'trigger'";

const TABLES_OF_POSTGRES: &str = "SELECT c.relname::text AS name, c.relname::text AS on_table \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_depend d \
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";
const TABLES_OF_SQLITE: &str = "SELECT name, tbl_name AS on_table FROM sqlite_schema \
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

/// Fails if a table of ours has a trigger or a rule, and names them; warns of tables that are not ours.
pub async fn check_foreign(database: &Database) -> Result<()> {
    let (triggers, tables) = match database.backend() {
        DbBackend::Postgres => (TRIGGERS_OF_POSTGRES, TABLES_OF_POSTGRES),
        _ => (TRIGGERS_OF_SQLITE, TABLES_OF_SQLITE),
    };
    let is_ours = |table: &String| TABLES.contains(&table.as_str());
    let triggers = named(database, triggers).await?;
    let refused: Vec<String> = triggers
        .iter()
        .filter(|(_, table)| is_ours(table))
        .map(|(name, table)| format!("`{name}` on `{table}`"))
        .collect();
    if !refused.is_empty() {
        return Err(Error::internal(format!(
            "{} has triggers or rules that are not Keepward's: {}; drop them first",
            database.name(),
            refused.join(", ")
        )));
    }
    for (table, _) in named(database, tables).await?.iter().filter(|(table, _)| !is_ours(table)) {
        tracing::warn!(table, "the database has a table that is not Keepward's");
    }
    Ok(())
}

/// Names, each with the table that it is on.
async fn named(database: &Database, ask: &str) -> Result<Vec<(String, String)>> {
    let rows = database.readers().query_all_raw(Statement::from_string(database.backend(), ask)).await?;
    rows.iter().map(|row| Ok((row.try_get("", "name")?, row.try_get("", "on_table")?))).collect()
}
