//! Keepward: a self-hosted vault and signing service for AI agents and the people who run them.
//!
//! Imports run one way: `main` -> [`http`], [`jobs`] -> `operations` -> [`caller`], [`seal`], [`audit`] -> [`store`] ->
//! [`error`]; [`metrics`] is open to all. The README has a map.

pub mod app;
pub mod audit;
pub mod caller;
pub mod command;
pub mod config;
pub mod error;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod metrics;
pub mod operations;
pub mod seal;
pub mod store;
