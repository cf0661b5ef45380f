//! Errors as `application/problem+json` (RFC 9457): the one table from [`Error`] to status and type.

use super::reply::Reply;
use crate::error::Error;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        Error::Forbidden { .. } => StatusCode::FORBIDDEN,
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Conflict { .. } => StatusCode::CONFLICT,
        Error::Gone { .. } => StatusCode::GONE,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::WrongMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::NotImplemented { .. } => StatusCode::NOT_IMPLEMENTED,
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer for an error; an internal one goes to the log under the request's id, its causes without values.
pub(super) fn reply(error: &Error, request_id: &str) -> Reply {
    if matches!(error, Error::Internal { .. } | Error::Unavailable { cause: Some(_) }) {
        tracing::error!(request_id, cause = crate::store::error_chain(error), "internal error");
    }
    let detail = match error {
        Error::Internal { .. } => format!("The server failed; its log has the request id {request_id}."),
        other => other.to_string(),
    };
    let mut extra = Map::new();
    if let Error::Invalid { fields, .. } = error
        && !fields.is_empty()
    {
        extra.insert("fields".to_owned(), fields.iter().map(|(name, rule)| (name.clone(), json!(rule))).collect());
    }
    let mut reply = problem(status(error), &detail, extra);
    let wait = match error {
        Error::RateLimited { retry_after_seconds, .. } => Some(*retry_after_seconds),
        Error::Unavailable { .. } => Some(1),
        _ => None,
    };
    if let Some(seconds) = wait {
        reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if matches!(error, Error::Unauthenticated { .. }) {
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

/// A problem of HTTP itself, without an [`Error`] behind it.
pub(super) fn plain(status: StatusCode, detail: &str) -> Reply {
    problem(status, detail, Map::new())
}

fn problem(status: StatusCode, detail: &str, extra: Map<String, Value>) -> Reply {
    let mut body = Map::new();
    body.insert("type".to_owned(), json!("about:blank"));
    body.insert("title".to_owned(), json!(status.canonical_reason().unwrap_or("Error")));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert("detail".to_owned(), json!(detail));
    body.extend(extra);
    super::reply::text(status, "application/problem+json", Value::Object(body).to_string())
}
