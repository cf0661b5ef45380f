//! Client of Keepward, a self-hosted vault and signing service for AI agents.
//!
//! An agent reads the secret that a policy gives it:
//!
//! <!-- snippet: sdk-rust/examples/tour.rs first-secret -->
//! ```no_run
//! # async fn example() -> Result<(), keepward::Error> {
//! let client = keepward::Client::from_env()?; // KEEPWARD_URL and KEEPWARD_AGENT_KEY
//! let vault = client.vaults().list().await?.vaults.first().map(|vault| vault.id).expect("a vault");
//! let secret = client.secrets().get(vault, "payments/stripe").await?;
//! call_stripe(secret.value.expose());
//! # Ok(()) }
//! # fn call_stripe(_: &str) {}
//! ```
//!
//! `Client::builder()` takes both by hand.
//!
//! Tokens are fetched once for all tasks that share a client and renewed 60 seconds early. What is safe to repeat (GET, and
//! what never left this machine) is repeated with jitter, or after as long as the server says, up to a minute; a change, or
//! a read of a secret, whose answer may be one of few, only where it was surely refused. Secret values are [`SecretText`]:
//! they do not print. Clones of a [`Client`] share connections and tokens.
//!
//! With the feature `blocking` every call has `wait()`, and a list in pages `iter()`, for programs without an asynchronous runtime.
//!
//! Every operation of the OpenAPI document is a method of a resource: what is required is an argument, what is optional is
//! set on the request before it is awaited. [`Client::api`] is the client below them.
//!
//! ```no_run
//! # async fn example(client: keepward::Client, vault: keepward::VaultId) -> keepward::Result<()> {
//! client.secrets().put(vault, "payments/stripe", "sk_live_...").max_access_count(3).await?;
//! # Ok(()) }
//! ```

mod auth;
mod call;
mod client;
#[cfg(feature = "dynamic")]
#[doc(hidden)]
pub mod dynamic;
mod error;
mod pages;
mod principal;
mod transport;

/// The generated client: a builder for each of the document's operations.
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::indexing_slicing, missing_docs, unreachable_pub, unused_imports)]
#[rustfmt::skip]
pub mod generated;

/// What a client offers: a struct a resource, a method an operation.
#[allow(clippy::all, clippy::pedantic)]
#[rustfmt::skip]
pub mod resources;

pub use auth::Credential;
pub use call::Call;
pub use client::{Client, ClientBuilder};
pub use error::{ApiError, Error, Result};
pub use keepward_api::{self as api, *};
pub use principal::Principal;
