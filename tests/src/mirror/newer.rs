//! What a later version might answer.

use crate::document::resolved;
use serde_json::{Value, json};

/// The value of an enum that this version does not know.
const TOMORROW: &str = "of_tomorrow";

/// An answer with unknown values of enums, and with unknown fields where they are asked for. Without them it is what a client
/// of this version makes of it.
pub(super) fn answer(answer: &Value, schema: &'static Value, with_fields: bool) -> Value {
    let schema = resolved(schema);
    match answer {
        Value::Object(fields) if schema.get("properties").is_some() => {
            let known = &schema["properties"];
            let mut newer: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), self::answer(value, &known[name], with_fields)))
                .collect();
            if with_fields {
                newer.insert("field_of_tomorrow".into(), json!({"deep": [1, {"er": null}]}));
            }
            Value::Object(newer)
        }
        Value::Array(items) => items.iter().map(|item| self::answer(item, &schema["items"], with_fields)).collect(),
        Value::String(_) if schema.get("enum").is_some() => json!(TOMORROW),
        other => other.clone(),
    }
}
