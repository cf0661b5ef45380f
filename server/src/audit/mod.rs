//! The audit trail: one chain of events an organisation and one of the server's own, each linked twice: by the hash that
//! the wire contract names, and by a keyed MAC over the whole event. Events are linked as the last statements of the
//! transaction that they tell of; there is no other way into the trail, and no way to change or remove one.

mod chain;
mod head;
mod refusals;
mod rows;
mod verify;

pub use chain::{Chains, integrity_hash};
pub use head::{Head, SignedHeads, sign};
pub use refusals::Refusals;
pub use rows::{Filter, events};
pub use verify::{Broken, Report, verify};

pub use crate::store::{Actor, Event, Outcome, Recorded, SERVER_CHAIN};
