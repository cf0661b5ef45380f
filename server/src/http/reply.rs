//! Answers.

use crate::caller::OkOrCreated;
use crate::error::{Error, Result};
use dropshot::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// An answer on its way out.
pub(crate) type Reply = Response<Body>;

pub(super) fn text(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

pub(crate) fn json<T: Serialize>(status: u16, answer: &T) -> Result<Reply> {
    let body = serde_json::to_vec(answer).map_err(Error::internal)?;
    let status = StatusCode::from_u16(status).map_err(Error::internal)?;
    Ok(text(status, "application/json", body))
}

#[expect(dead_code, reason = "transaction_submit, which is planned, answers so")]
pub(crate) fn ok_or_created<T: Serialize>(answer: OkOrCreated<T>) -> Result<Reply> {
    match answer {
        OkOrCreated::Ok(answer) => json(200, &answer),
        OkOrCreated::Created(answer) => json(201, &answer),
    }
}

pub(crate) fn no_content() -> Result<Reply> {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    Ok(reply)
}
