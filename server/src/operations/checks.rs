//! Rules that several slices check alike.

use crate::caller::policy::is_limit;
use crate::error::{Error, Result};
use keepward_api::{PathPattern, Timestamp};
use serde_json::{Map, Value};

/// Largest free-form object, as JSON.
const MAX_JSON_BYTES: usize = 64 * 1024;

/// An expiry lies in the future.
pub(crate) fn future(field: &str, time: Option<Timestamp>, now: Timestamp) -> Result<Option<i64>> {
    match time {
        Some(time) if time <= now => Err(Error::field(field, "lies in the future")),
        time => Ok(time.map(Timestamp::microseconds)),
    }
}

/// A free-form object as text, within its size.
pub(crate) fn object(field: &str, object: Option<Map<String, Value>>) -> Result<String> {
    let text = Value::Object(object.unwrap_or_default()).to_string();
    if text.len() > MAX_JSON_BYTES { Err(Error::field(field, "has at most 64 kB")) } else { Ok(text) }
}

/// Descriptions are short, and show what they hold.
pub(crate) fn description(text: Option<String>) -> Result<String> {
    let text = text.unwrap_or_default();
    let hidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.chars().count() > 4096 || text.chars().any(hidden) {
        return Err(Error::field("description", "has at most 4,096 characters, none of them a control character"));
    }
    Ok(text)
}

/// Scopes are labels, or path globs.
pub(crate) fn scopes(scopes: Option<Vec<String>>) -> Result<String> {
    let scopes = scopes.unwrap_or_default();
    let plain = |scope: &String| {
        let text = !scope.is_empty() && scope.chars().count() <= 512 && !scope.chars().any(char::is_control);
        text && (!is_limit(scope) || scope.parse::<PathPattern>().is_ok())
    };
    if scopes.len() > 100 || !scopes.iter().all(plain) {
        return Err(Error::field(
            "scopes",
            "are up to 100 labels or path globs such as prod/**, of up to 512 characters each",
        ));
    }
    serde_json::to_string(&scopes).map_err(Error::internal)
}
