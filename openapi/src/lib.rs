//! The types of the Keepward API.
//!
//! [`types`] is generated from the OpenAPI document in this crate's folder; what a schema can't say (a path rule, silence
//! of a secret, an id that is not another id) is written by hand in the modules beside it, and named by the document's
//! `x-rust-type`. Server and SDK both use these types, so they can't disagree about the wire.

mod ids;
mod open;
mod path;
mod secret_text;
mod text;
mod timestamp;

pub use ids::*;
pub use open::Open;
pub use path::{PATH_LENGTH, PathPattern, SecretPath};
pub use secret_text::SecretText;
pub use text::{Email, Name};
pub use timestamp::Timestamp;
pub use uuid::Uuid;

/// Why a text is not what its type demands; the sentence never repeats the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub &'static str);

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Invalid {}

/// The OpenAPI 3.1 document, as served at `/v1/openapi.json`.
pub const DOCUMENT: &str = include_str!("../generated/keepward.json");

/// What the document defines: one type a schema, and the parameters of each operation.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
#[rustfmt::skip]
mod generated;
pub use generated::{COUNTED, PUBLIC, REPEATED, WILD, actions, params, types};

/// Absent against `null`: serde's default stands for an absent field, this for one that is there.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
