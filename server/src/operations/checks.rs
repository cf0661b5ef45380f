//! Rules that several slices check alike.

use crate::error::{Error, Result};
use keepward_api::{PathPattern, Timestamp};
use serde_json::{Map, Value};

/// Largest metadata, as JSON.
pub(crate) const MAX_METADATA_BYTES: usize = 64 * 1024;
/// Largest conditions: every request of the principal reads them.
pub(crate) const MAX_CONDITIONS_BYTES: usize = 4 * 1024;

/// An expiry must be in the future.
pub(crate) fn future(field: &str, time: Option<Timestamp>, now: Timestamp) -> Result<Option<i64>> {
    match time {
        Some(time) if time <= now => Err(Error::field(field, "must be in the future")),
        time => Ok(time.map(Timestamp::microseconds)),
    }
}

/// A free-form object as text, within its size.
pub(crate) fn object(field: &str, object: Option<Map<String, Value>>, most: usize) -> Result<String> {
    let text = Value::Object(object.unwrap_or_default()).to_string();
    if text.len() > most {
        return Err(Error::field(field, format!("must have at most {} kB as JSON", most / 1024)));
    }
    Ok(text)
}

/// Descriptions are short, and show what they hold.
pub(crate) fn description(text: Option<String>) -> Result<String> {
    let text = text.unwrap_or_default();
    let hidden = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.chars().count() > 4096 || text.chars().any(hidden) {
        return Err(Error::field(
            "description",
            "must have at most 4,096 characters, none of them a control character",
        ));
    }
    Ok(text)
}

/// Scopes are labels, or path globs: what holds `/` or `*` is meant as a limit, and must be one.
pub(crate) fn scopes(scopes: Option<Vec<String>>) -> Result<String> {
    let scopes = scopes.unwrap_or_default();
    let plain = |scope: &String| {
        let text = !scope.is_empty() && scope.chars().count() <= 512 && !scope.chars().any(char::is_control);
        text && (!scope.contains(['/', '*']) || scope.parse::<PathPattern>().is_ok())
    };
    if scopes.len() > 100 || !scopes.iter().all(plain) {
        return Err(Error::field(
            "scopes",
            "must be up to 100 labels or path globs such as prod/**, of up to 512 characters each; what holds `/` or `*` must be a valid glob",
        ));
    }
    serde_json::to_string(&scopes).map_err(Error::internal)
}
