//! Calls by the name of an operation, with arguments that are data: what bindings to other languages are made of.

mod data;
#[allow(clippy::all, clippy::pedantic)]
#[rustfmt::skip]
mod generated;

pub use data::Data;

use crate::call::Call;
use crate::pages::{Cursor, Pages};
use crate::{Client, Error, SecretText};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::any::TypeId;

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
        let number = text.strip_prefix("invalid type: floating point `").and_then(|rest| rest.split('`').next());
        let is_whole = number.and_then(|number| number.parse::<f64>().ok()).is_some_and(|number| number.fract() == 0.0);
        let is_large = is_whole && text.contains(", expected i");
        let is_type = text.starts_with("invalid type") && !is_large;
        match (is_type, text.rsplit_once(", expected ")) {
            (true, Some((_, expected))) => Self::Type(format!("`{name}`: expected {expected}")),
            (true, None) => Self::Type(format!("`{name}` is of the wrong type")),
            (false, Some((_, expected))) => Error::InvalidArgument(format!("`{name}`: expected {expected}")).into(),
            (false, None) => Error::InvalidArgument(format!("`{name}`: {text}")).into(),
        }
    }
}

/// Arguments by name; each is taken once, and one that nobody takes is a mistake.
pub struct Arguments {
    values: Map<String, Value>,
    /// Those that were given as what does not print: they go nowhere else.
    secrets: Vec<String>,
}

impl Arguments {
    /// `secrets` names those that were given as a secret text.
    pub fn new(values: Map<String, Value>, secrets: Vec<String>) -> Self {
        Self { values, secrets }
    }

    fn required<T: DeserializeOwned + 'static>(&mut self, name: &str) -> Result<T, Failure> {
        self.optional(name)?.ok_or_else(|| Failure::Type(format!("`{name}` is missing")))
    }

    /// `None` where it is absent or null.
    fn optional<T: DeserializeOwned + 'static>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        if TypeId::of::<T>() != TypeId::of::<SecretText>() && self.secrets.iter().any(|secret| secret == name) {
            return Err(Failure::Type(format!("`{name}` is no place for a Secret")));
        }
        match self.values.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|error| Failure::of_argument(name, &error)),
        }
    }

    /// Whether it is null, which is not the same as absent.
    fn clears(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Value::is_null)
    }

    /// Where a list goes on, as the page before said.
    fn cursor(&mut self) -> Result<Option<Cursor>, Failure> {
        let text = self.optional::<String>("cursor")?;
        let cursor = text.map(|text| serde_json::from_str(&text)).transpose();
        cursor.map_err(|_| Error::InvalidArgument("`cursor` is what the page before had".to_owned()).into())
    }

    fn finish(self) -> Result<(), Failure> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(name) => Err(Failure::Type(format!("there is no argument `{name}`"))),
        }
    }
}

fn unexpected<E>(_: E) -> Error {
    Error::UnexpectedAnswer { status: None, request_id: None }
}

async fn answer<T: Serialize>(call: Call<'_, T>) -> Result<Data, Failure> {
    Ok(data::data(&call.await?).map_err(unexpected)?)
}

/// `items`, and the `cursor` to go on with; none at the end.
async fn page<'a, Request: Clone, Answer: 'a, Item: Serialize>(
    mut pages: Pages<'a, Request, Answer, Item>,
    cursor: Option<Cursor>,
) -> Result<Data, Failure> {
    if let Some(cursor) = cursor {
        pages.resume(cursor);
    }
    let items = pages.next().await?.unwrap_or_default();
    let cursor = match pages.put_aside() {
        Some(cursor) => Data::Text(serde_json::to_string(&cursor).map_err(unexpected)?),
        None => Data::Null,
    };
    Ok(Data::Map(vec![("items".to_owned(), data::data(&items).map_err(unexpected)?), ("cursor".to_owned(), cursor)]))
}

/// Calls an operation of the document by its id; with `.pages` behind it, all pages of a list, one a call: each answers
/// `items` and the `cursor` to give to the next, until that is null.
///
/// # Errors
/// [`Failure::Type`] and [`Error::InvalidArgument`] before anything is sent, and what the method of the operation answers.
pub async fn call(client: &Client, operation: &str, arguments: Arguments) -> Result<Data, Failure> {
    generated::call(client, operation, arguments).await
}
