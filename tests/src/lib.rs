//! What the tests share: the server that `cargo xtask test` started, servers of a test's own, and organisations.
//!
//! A test makes its own organisation on the shared server, so that all can run beside each other; it starts its own server
//! only to restart, break or configure it.

mod clock;
mod cluster;
pub mod document;
mod front;
mod mirror;
mod mount;
mod organisation;
mod plans;
mod raw;
mod server;

pub use clock::clock_library;
pub use cluster::{Cluster, Durability, Paused, create_database};
pub use front::Front;
pub use mirror::{CALLS, Mirror};
pub use mount::Mount;
pub use organisation::{Organisation, PASSWORD, builder, client};
pub use plans::{LOG_PLANS, postgres_plans, postgres_scans, sqlite_scans};
pub use raw::{Answer, Http, RawConnection};
pub use server::{OwnServer, SharedServer, binary, command, database_url, is_pair, is_postgres, make_template, shared};
