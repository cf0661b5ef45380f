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

/// The column type of everything that must not be read without a key: ciphertext, wrapped keys, keyed hashes. Opaque here;
/// `seal` makes and opens it. Its `Debug` is silent.
#[derive(Clone, PartialEq, Eq, sea_orm::DeriveValueType)]
pub struct SealedBytes(pub Vec<u8>);

impl std::fmt::Debug for SealedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedBytes(..)")
    }
}
