//! Whether every statement of a run searches an index, as the databases themselves plan it: SQLite is asked to explain each
//! text that a server has logged, PostgreSQL writes the plan of each statement that it ran to its log.

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use std::collections::BTreeSet;
use std::path::Path;

/// Tables that are read whole: a few rows, at start; and one row a chain, by `audit head` and `audit verify`.
const WHOLE: [&str; 4] = ["seaql_migrations", "key_record", "meta", "audit_head"];
/// What `audit verify`, a command of the host, asks of the whole trail, which it then walks.
const WALK: &str = "SELECT DISTINCT \"audit_event\".\"org_id\"";
/// What signing the heads compares: each with its chain's newest event, and whether each organisation has one.
const HEADS: &str = "SELECT h.org_id AS chain FROM audit_head h";
/// What `migrate` prints: scopes of earlier versions that limit nothing.
const SCOPES: &str = "SELECT 'agent' AS kind, id, scopes FROM agent";
/// What a migration copies whole, from and to tables that have these names no more.
const COPY: &str = "INSERT INTO secret_version_new ";

/// Conditions and what is to be searched for each: a trail's filters, from those that few events match to those that many do,
/// and a range of paths, of which no vault is sieved.
const SEARCHES: [(&str, &str); 4] = [
    ("\"audit_event\".\"resource_id\" = ", "ix_audit_event_org_id_resource_id_sequence"),
    ("\"audit_event\".\"actor_id\" = ", "ix_audit_event_org_id_actor_id_sequence"),
    ("\"audit_event\".\"action\" = ", "ix_audit_event_org_id_action_sequence"),
    ("\"secret_version\".\"path\" >= ", "ix_secret_version_newest (vault_id=? AND is_newest=? AND path>? AND path<?)"),
];
/// Steps that search nothing: how the parts of a statement are put together.
const PARTS: [&str; 3] = ["COMPOUND QUERY", "LEFT-MOST SUBQUERY", "UNION ALL"];

/// Statements that change or explain nothing about rows.
fn has_plan(statement: &str) -> bool {
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| statement.starts_with(word))
}

/// What SQLite would read whole, and for which of these statements.
pub async fn sqlite_scans(data_dir: &Path, statements: &BTreeSet<String>) -> BTreeSet<String> {
    let url = format!("sqlite://{}?mode=ro", data_dir.join("keepward.db").display());
    let database = Database::connect(url).await.unwrap();
    let mut found = BTreeSet::new();
    for statement in statements.iter().flat_map(|text| text.split("; ")).map(str::trim) {
        let is_of_tables = statement.contains("sqlite_master") || statement.contains("sqlite_schema");
        if !has_plan(statement)
            || is_of_tables
            || [COPY, HEADS, SCOPES].iter().any(|text| statement.starts_with(text))
            || ANY.iter().any(|text| statement.contains(text))
        {
            continue;
        }
        let explain = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {statement}"));
        let narrowest = SEARCHES.iter().find(|(filter, _)| statement.contains(filter));
        for row in database.query_all_raw(explain).await.unwrap_or_else(|error| panic!("{statement}: {error}")) {
            let step: String = row.try_get_by("detail").unwrap();
            if PARTS.contains(&step.as_str()) {
                continue;
            }
            if narrowest.is_some_and(|(_, index)| !step.contains(index)) {
                found.insert(format!("{step}: {statement:.300}"));
            }
            // An index that is made for the one statement reads all of the table.
            let is_whole = step.starts_with("SCAN ") || step.contains(" USING AUTOMATIC ");
            let Some(table) = step.split(' ').nth(1).filter(|_| is_whole) else { continue };
            // Of values that the statement itself brings, not of a table.
            let is_brought = ["k", "range", "v", "one", "CONSTANT", "(subquery"].contains(&table)
                || step.ends_with("-ROW VALUES CLAUSE")
                || step.ends_with("CONSTANT ROWS");
            if !is_brought && !WHOLE.contains(&table) {
                found.insert(format!("{step}: {statement:.300}"));
            }
        }
    }
    found
}

/// How many plans of the server's statements are in PostgreSQL's log.
pub fn postgres_plans(log: &str) -> usize {
    log.lines().filter(|line| line.starts_with(SERVER) && line.ends_with("plan:")).count()
}

/// What PostgreSQL read whole, from its log: scans of tables, and of indexes without a condition.
pub fn postgres_scans(log: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (mut query, mut index): (&str, Option<&str>) = ("", None);
    let mut is_servers = false;
    for line in log.lines() {
        let text = line.trim_start();
        let is_node = text.contains("(cost=");
        // An index scan ends with the next node or the end of its plan; until then its condition has been said.
        if (is_node || !line.starts_with('\t'))
            && let Some(scan) = index.take()
        {
            found.insert(format!("{scan}: {query:.300}"));
        }
        if !line.starts_with('\t') {
            is_servers = line.starts_with(SERVER);
        }
        if let Some(text) = text.strip_prefix("Query Text: ") {
            query = text;
            is_servers &= ![WALK, COPY, HEADS, SCOPES].iter().any(|text| query.starts_with(text))
                && !ANY.iter().any(|text| query.contains(text));
        } else if !is_servers {
            continue;
        } else if text.starts_with("Index Cond:") {
            index = None;
        } else if is_node {
            let node = text.trim_start_matches("-> ").trim_start().split("  (cost").next().unwrap_or_default();
            let is_whole = node.contains("Seq Scan on");
            let table = node.rsplit(" on ").next().unwrap_or_default().split(' ').next().unwrap_or_default();
            let is_ours = !table.starts_with("pg_") && !WHOLE.iter().any(|name| table.contains(name));
            if is_whole && is_ours {
                found.insert(format!("{node}: {query:.300}"));
            } else if node.contains("Index") && is_ours {
                index = Some(node);
            }
        }
    }
    found
}

/// Whether there is any user, or organisation, at all: one row, whichever comes first.
const ANY: [&str; 2] = ["FROM \"users\" LIMIT", "FROM \"organisation\" LIMIT"];

/// What makes a cluster write its plans down, each with the name of the program whose statement it is.
pub const LOG_PLANS: &str =
    "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = 0\nlog_line_prefix = '%a|'\n";
/// The server's name there.
const SERVER: &str = "keepward|";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_that_read_whole_tables_are_found() {
        let plan = |node: &str, condition: &str| {
            format!(
                "keepward|LOG:  duration: 0.1 ms  plan:\n\tQuery Text: SELECT 1\n\tLimit  (cost=0.1..1 rows=1 width=1)\n\t  ->  {node}  (cost=0.1..1 rows=1 width=1)\n{condition}"
            )
        };
        let condition = "\t        Index Cond: (id = $1)\n";
        assert!(postgres_scans(&plan("Index Scan using users_pkey on users t", condition)).is_empty());
        assert_eq!(
            postgres_scans(&(plan("Index Scan using users_pkey on users t", "") + "keepward|LOG: end")).len(),
            1
        );
        assert_eq!(postgres_scans(&plan("Seq Scan on users t", "\t        Filter: (id = $1)\n")).len(), 1);
        assert!(postgres_scans(&plan("Seq Scan on key_record t", "")).is_empty());
        assert!(postgres_scans(&plan("Seq Scan on pg_class c", "")).is_empty());
        assert!(postgres_scans(&plan("Seq Scan on users t", "").replace(SERVER, "psql|")).is_empty());
    }
}
