//! What a schema says of a value, before any language has its word for it.

use crate::document::{Document, Side};
use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// Which way a value goes: what is taken is wider than what is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

pub(super) enum Shape<'a> {
    /// A schema of the document.
    Named(&'a str),
    /// A type of JSON and its format, and the schema that says so.
    Plain {
        schema: &'a Value,
        kind: &'a str,
        format: Option<&'a str>,
    },
    Any,
}

/// Null aside, which every optional value may be.
pub(super) fn shape(schema: &Value) -> Result<Shape<'_>> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
        return Ok(Shape::Named(name));
    }
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let one = options.iter().find(|option| option.get("type").and_then(Value::as_str) != Some("null"));
        return shape(one.context("an anyOf of nothing")?);
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").context("a type of null")?
        }
        _ => return Ok(Shape::Any),
    };
    Ok(Shape::Plain { schema, kind, format: schema.get("format").and_then(Value::as_str) })
}

/// An object whose fields nobody lists.
pub(super) fn is_open(schema: &Value) -> bool {
    schema.get("properties").is_none() && schema.get("additionalProperties").is_some()
}

/// Whether a schema is a class in each language: an object whose fields the document lists.
pub(super) fn is_class(name: &str, schema: &Value) -> bool {
    name != "Empty" && schema.get("enum").is_none() && schema.get("x-rust-type").is_none() && !is_open(schema)
}

/// The classes that an answer is or holds, and the fields of each.
pub(super) fn answers(document: &Document) -> Vec<(&str, &Value, &Map<String, Value>)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let reachable = document.reachable(Side::Answer);
    let classes =
        document.schemas().iter().filter(|(name, schema)| reachable.contains(*name) && is_class(name, schema));
    classes
        .map(|(name, schema)| {
            let fields = schema.get("properties").and_then(Value::as_object).unwrap_or(&NONE);
            (name.as_str(), schema, fields)
        })
        .collect()
}
