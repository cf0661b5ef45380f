//! The database: connecting, migrating, committing, and the tables. It knows nobody above it: what it needs of them it
//! defines as a seam ([`Journal`], [`RowMac`], [`SealedBytes`]) that they implement or fill.
//!
//! SQL stands here and in the `rows.rs` files of the modules that own the tables, and nowhere else.

mod commit;
mod connect;
pub mod entity;
mod journal;
mod mac;
mod migrate;
mod rows;
mod union;

pub(crate) use commit::error_chain;
pub use commit::{Change, Committer, Unit};
pub use connect::{Database, DatabaseUrl};
pub use journal::{Actor, Event, Journal, Outcome, Recorded, SERVER_CHAIN};
pub use mac::{RowMac, is_authentic};
pub use migrate::migrate;
pub use rows::{insert, insert_with_mac, update_with_mac};
pub use union::Union;

/// Where statements run: a pool, or an open transaction.
pub use sea_orm::ConnectionTrait as Connection;
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

/// SQLite's primary result code, where that is what an error is about.
fn sqlite_code(error: &sea_orm::DbErr) -> Option<u32> {
    use sea_orm::{DbErr, RuntimeErr};
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    cause.as_database_error()?.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

/// A database that does not answer is `Unavailable`: BUSY (5), LOCKED (6), NOMEM (7), IOERR (10), FULL (13), CANTOPEN (14),
/// or no connection. Any other error is a mistake of ours.
impl From<sea_orm::DbErr> for crate::error::Error {
    fn from(error: sea_orm::DbErr) -> Self {
        use sea_orm::DbErr;
        match (&error, sqlite_code(&error)) {
            (DbErr::ConnectionAcquire(_) | DbErr::Conn(_), _) | (_, Some(5 | 6 | 7 | 10 | 13 | 14)) => {
                Self::unavailable(error)
            }
            _ => Self::internal(error),
        }
    }
}
