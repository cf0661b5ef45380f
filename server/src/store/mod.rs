//! The database: connecting, migrating, committing, and the tables. It knows nobody above it: what it needs of them it
//! defines as a seam ([`Journal`], [`Ahead`], [`RowMac`], [`SealedBytes`]) that they implement or fill.
//!
//! SQL stands here and in the `rows.rs` files of the modules that own the tables, and nowhere else.

mod ahead;
mod commit;
mod connect;
pub mod entity;
mod foreign;
mod journal;
mod link;
mod lock;
mod mac;
mod migrate;
mod postgres;
mod reader;
mod rows;
mod sqlite;
mod union;

pub use ahead::{Ahead, Opaque};
pub(crate) use commit::error_chain;
pub use commit::{Change, Committer, Unit};
pub use connect::{Database, DatabaseUrl};
pub use foreign::check_foreign;
pub use journal::{Actor, Event, Journal, Linked, Outcome, Recorded, SERVER_CHAIN};
pub use lock::Lock;
pub use mac::{RowMac, is_authentic};
pub use migrate::{check_schema, migrate};
pub use postgres::PostgresUrl;
pub use reader::Reader;
pub use rows::{expect_rows, insert, insert_statement, insert_with_mac, join, mark, update_with_mac, upsert_statement};
pub use union::Union;

/// Where statements run: a pool, or an open transaction.
pub use sea_orm::ConnectionTrait as Connection;
/// The transaction of a batch.
pub use sea_orm::DatabaseTransaction as Transaction;
/// A value that a statement refers to.
pub use sea_orm::Value as SqlValue;

/// The column type of everything that must not be read without a key: ciphertext, wrapped keys, keyed hashes. Opaque here;
/// `seal` makes and opens it. Its `Debug` is silent.
#[derive(Clone, PartialEq, Eq, sea_orm::DeriveValueType)]
pub struct SealedBytes(pub Vec<u8>);

impl std::fmt::Debug for SealedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedBytes(..)")
    }
}

/// Statements are logged at the level `trace`: their texts, which hold no values.
fn statement_level() -> log::LevelFilter {
    let is_on = tracing::enabled!(target: "sqlx::query", tracing::Level::TRACE);
    if is_on { log::LevelFilter::Trace } else { log::LevelFilter::Off }
}

fn log_statements(options: &mut sea_orm::ConnectOptions) {
    let level = statement_level();
    options.sqlx_logging(level != log::LevelFilter::Off).sqlx_logging_level(level);
    options.sqlx_slow_statements_logging_settings(level, std::time::Duration::MAX);
}

fn logged<O: sqlx::ConnectOptions>(options: O) -> O {
    let level = statement_level();
    options.log_statements(level).log_slow_statements(level, std::time::Duration::MAX)
}

/// SQLite's primary result code, where that is what an error is about.
fn sqlite_code(error: &sea_orm::DbErr) -> Option<u32> {
    use sea_orm::{DbErr, RuntimeErr};
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    let code = cause.as_database_error()?.code()?;
    // PostgreSQL's have five characters.
    if code.len() == 5 { None } else { code.parse::<u32>().ok().map(|code| code & 0xff) }
}

/// A unique key that somebody else has taken: SQLite's CONSTRAINT (19), or PostgreSQL's unique violation.
pub fn is_taken(error: &crate::error::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<sea_orm::DbErr>());
    let Some(cause) = cause else { return false };
    sqlite_code(cause) == Some(19) || postgres::code(cause).is_some_and(|code| code == "23505")
}

/// Whether the connection is gone: PostgreSQL stopped, was killed, or cut it.
pub fn is_disconnected(error: &sea_orm::DbErr) -> bool {
    use sea_orm::{DbErr, RuntimeErr};
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_));
    };
    match cause.as_ref() {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // Class 57P: the server shuts down, has crashed, or can't take connections; 08: the connection; 53300: too many;
        // 25P03: ended, since it had stopped in the middle of a transaction.
        _ => postgres::code(error).is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("08") || matches!(code.as_str(), "53300" | "25006" | "25P03")
        }),
    }
}

/// A database that does not answer is `Unavailable`: SQLite's BUSY (5), LOCKED (6), NOMEM (7), IOERR (10), FULL (13),
/// CANTOPEN (14); PostgreSQL's lost connection, cancelled statement (57014), lock not free (55P03), disk full (53100),
/// deadlock and serialization failure (class 40). Any other error is a mistake of ours.
impl From<sea_orm::DbErr> for crate::error::Error {
    fn from(error: sea_orm::DbErr) -> Self {
        let code = sqlite_code(&error);
        code.into_iter().for_each(sqlite::note_damage);
        let of_sqlite = matches!(code, Some(5 | 6 | 7 | 10 | 13 | 14));
        let of_postgres = postgres::code(&error).is_some_and(|code| {
            ["57014", "55P03", "53"].iter().any(|start| code.starts_with(start)) || code.starts_with("40")
        });
        if of_sqlite || of_postgres || is_disconnected(&error) {
            Self::unavailable(error)
        } else {
            Self::internal(error)
        }
    }
}
