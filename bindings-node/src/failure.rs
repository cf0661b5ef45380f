//! What went wrong, as data: the classes are JavaScript's.

use keepward::Error;
use keepward::dynamic::Failure;
use napi_derive::napi;
use std::collections::HashMap;

/// From what an exception is made.
#[napi(object)]
#[derive(Default)]
pub struct Fault {
    /// `type`, `value`, `closed`, `timeout`, `login`, `connection` or `api`.
    pub kind: String,
    pub title: String,
    pub status: Option<u32>,
    #[napi(js_name = "type")]
    pub type_: Option<String>,
    pub detail: Option<String>,
    pub fields: Option<HashMap<String, String>>,
    pub request_id: Option<String>,
    pub retry_after: Option<f64>,
}

impl Fault {
    pub(crate) fn new(kind: &str, title: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), title: title.into(), ..Self::default() }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (status, request_id) = (error.status().map(u32::from), error.request_id().map(str::to_owned));
        let fault = match error {
            Error::InvalidArgument(text) | Error::Configuration(text) => Self::new("value", text),
            Error::Timeout => Self::new("timeout", Error::Timeout.to_string()),
            Error::Login(text) => Self::new("login", text),
            Error::Api(error) => Self {
                type_: Some(error.kind),
                detail: Some(error.detail),
                fields: Some(error.fields.into_iter().collect()),
                retry_after: error.retry_after.map(|pause| pause.as_secs_f64()),
                ..Self::new("api", error.title)
            },
            other => Self { detail: other.reason(), ..Self::new("connection", other.to_string()) },
        };
        Self { status, request_id, ..fault }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Type(text) => Self::new("type", text),
            Failure::Error(error) => error.into(),
        }
    }
}
