//! The slices: one folder a tag of the document. `mod.rs` holds the operations, which read as prose (decide, load, act,
//! record, answer); `rows.rs` its SQL; `convert.rs` the way between wire and rows; `service.rs` what other slices may do
//! with it inside an open unit. A slice never calls another's handlers, and never reads another's `rows`.

pub(crate) mod account;
pub(crate) mod agents;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub mod auth;
mod checks;
pub(crate) mod health;
pub(crate) mod meta;
pub(crate) mod policies;
pub(crate) mod secrets;
pub(crate) mod vaults;

#[cfg(test)]
mod tests;
