//! Behaviour of the operations, one file an operation in the shape of the URL tree; one behaviour a test, its name the fact.

mod account;
mod agents;
mod api_keys;
mod audit;
mod auth;
mod health;
mod policies;
mod secrets;
mod transport;
mod vaults;
