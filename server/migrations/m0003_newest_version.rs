//! One table of secrets instead of two: the newest version at a path stands for the secret, and one index finds it. A read
//! searches two trees instead of four, a write fills three instead of six, and what is long comes last in a row, where SQLite
//! need not go to find the rest.
//!
//! All versions are copied once: that takes as much of the disk as they do, and on SQLite, which overwrites what it drops,
//! three times as much until its log is copied. Its file keeps the new size.

use super::{big_integer, big_integer_null, binary, boolean_null, table, text, text_null, uuid};
use sea_orm::DbBackend;
use sea_orm::sea_query::TableCreateStatement;

fn versions() -> TableCreateStatement {
    table(
        "secret_version_new",
        vec![
            uuid("secret_id"),
            big_integer("version"),
            uuid("vault_id"),
            text("path"),
            boolean_null("is_newest"),
            text("kind"),
            uuid("created_by"),
            text("created_by_type"),
            big_integer("created_at"),
            big_integer_null("expires_at"),
            big_integer_null("deleted_at"),
            big_integer_null("max_access_count"),
            big_integer("access_count"),
            text_null("cmek_fingerprint"),
            binary("wrapped_dek"),
            text("metadata"),
            binary("sealed"),
        ],
        &["secret_id", "version"],
    )
}

/// The time of deletion belongs to the newest version alone.
const COPY: &str = "INSERT INTO secret_version_new (secret_id, version, vault_id, path, is_newest, kind, created_by, \
    created_by_type, created_at, expires_at, deleted_at, max_access_count, access_count, cmek_fingerprint, wrapped_dek, \
    metadata, sealed) \
    SELECT v.secret_id, v.version, v.vault_id, s.path, CASE WHEN v.version = s.version THEN TRUE END, v.kind, v.created_by, v.created_by_type, \
    v.created_at, v.expires_at, CASE WHEN v.version = s.version THEN s.deleted_at END, v.max_access_count, \
    v.access_count, v.cmek_fingerprint, v.wrapped_dek, v.metadata, v.sealed \
    FROM secret_version v JOIN secret s ON s.id = v.secret_id ORDER BY v.secret_id, v.version";

pub(super) fn statements(backend: DbBackend) -> Vec<String> {
    let on_postgres = |statement: &str| (backend == DbBackend::Postgres).then(|| statement.to_owned());
    let always = |statement: &str| Some(statement.to_owned());
    let statements = [
        // A server of the previous version may still be running. Wait for what it has begun and copy that; what it begins
        // from here on fails. Under a weaker lock, its answers would be lost between the copy and the drop.
        on_postgres("LOCK TABLE secret, secret_version IN ACCESS EXCLUSIVE MODE"),
        Some(backend.build(&versions()).sql),
        // Compare prefixes as bytes, so that an index finds them.
        on_postgres("ALTER TABLE secret_version_new ALTER COLUMN path TYPE text COLLATE \"C\""),
        always(COPY),
        always("DROP TABLE secret_version"),
        always("DROP TABLE secret"),
        always("ALTER TABLE secret_version_new RENAME TO secret_version"),
        on_postgres("ALTER TABLE secret_version RENAME CONSTRAINT secret_version_new_pkey TO secret_version_pkey"),
        // Not a partial index of the newest: PostgreSQL may read such an index whole instead of searching it, and does while
        // the table is small, by a plan that it keeps.
        always("CREATE UNIQUE INDEX ix_secret_version_newest ON secret_version (vault_id, is_newest, path)"),
    ];
    statements.into_iter().flatten().collect()
}
