//! A writer of the database: opens it beside or without its server, and changes what it likes.

use keepward_tests::{database_url, is_postgres};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use std::path::Path;

/// The database of a data folder.
pub async fn open(data_dir: &Path) -> DatabaseConnection {
    Database::connect(database_url(data_dir)).await.unwrap()
}

/// Runs statements that change something.
pub async fn edit(data_dir: &Path, sql: &str) {
    let database = open(data_dir).await;
    let changed = database.execute_unprepared(sql).await.unwrap().rows_affected();
    assert!(changed > 0, "nothing changed: {sql}");
    database.close().await.unwrap();
}

/// An id as it stands in a statement.
pub fn id(id: impl std::fmt::Display) -> String {
    match is_postgres() {
        true => format!("CAST('{id}' AS uuid)"),
        false => format!("x'{}'", id.to_string().replace('-', "")),
    }
}

/// An id of nothing.
pub fn stray_id() -> String {
    id("00112233-4455-6677-8899-aabbccddeeff")
}

/// Bytes, given in hex, as they stand in a statement.
pub fn bytes(hex: &str) -> String {
    if is_postgres() { format!("CAST('\\x{hex}' AS bytea)") } else { format!("x'{hex}'") }
}
