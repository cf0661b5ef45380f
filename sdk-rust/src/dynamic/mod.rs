//! Calls by the name of an operation, with arguments that are data: what bindings to other languages are made of.

mod data;
#[allow(clippy::all, clippy::pedantic)]
#[rustfmt::skip]
mod generated;

pub use data::Data;

use crate::call::Call;
use crate::{Client, Error};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Why a call did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// An argument is missing, unknown, or of a type that can't be right; nothing was sent. Holds no value.
    Type(String),
    /// As in Rust.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    fn no_such_operation() -> Self {
        Self::Type("there is no such operation".to_owned())
    }

    /// What serde says of a value, without the value.
    fn of_argument(name: &str, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // A whole number that fits nowhere comes as one with a fraction.
        let is_type = text.starts_with("invalid type") && !text.starts_with("invalid type: floating point");
        match (is_type, text.rsplit_once(", expected ")) {
            (true, Some((_, expected))) => Self::Type(format!("`{name}`: expected {expected}")),
            (true, None) => Self::Type(format!("`{name}` is of the wrong type")),
            (false, Some((_, expected))) => Error::InvalidArgument(format!("`{name}`: expected {expected}")).into(),
            (false, None) => Error::InvalidArgument(format!("`{name}`: {text}")).into(),
        }
    }
}

/// Arguments by name; each is taken once, and one that nobody takes is a mistake.
pub struct Arguments(Map<String, Value>);

impl Arguments {
    pub fn new(arguments: Map<String, Value>) -> Self {
        Self(arguments)
    }

    fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Failure> {
        self.optional(name)?.ok_or_else(|| Failure::Type(format!("`{name}` is missing")))
    }

    /// `None` where it is absent or null.
    fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| Failure::of_argument(name, &error)),
        }
    }

    /// Whether it is null, which is not the same as absent.
    fn clears(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    fn finish(self) -> Result<(), Failure> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Failure::Type(format!("there is no argument `{name}`"))),
        }
    }
}

async fn answer<T: Serialize>(call: Call<'_, T>) -> Result<Data, Failure> {
    data::data(&call.await?).map_err(|_| Error::UnexpectedAnswer { status: None, request_id: None }.into())
}

/// Calls an operation of the document by its id.
///
/// # Errors
/// [`Failure::Type`] and [`Error::InvalidArgument`] before anything is sent, and what the method of the operation answers.
pub async fn call(client: &Client, operation: &str, arguments: Arguments) -> Result<Data, Failure> {
    generated::call(client, operation, arguments).await
}
