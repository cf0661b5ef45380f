//! One file a table. Times are microseconds since 1970, JSON is text, ids are UUIDs, flags are booleans, and every integer
//! is 64 bits wide, so that both databases store and compare alike.

pub mod agent;
pub mod api_key;
pub mod audit_event;
pub mod audit_head;
pub mod key_record;
pub mod meta;
pub mod organisation;
pub mod policy;
pub mod revoked_token;
pub mod secret_version;
pub mod users;
pub mod vault;
