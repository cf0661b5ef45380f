//! The one error of the SDK.

use progenitor_client::Error as Raw;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What the SDK answers with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not do what it was asked to. No variant holds a secret, or the body of an answer that could be one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server refused; the status decides what to do about it.
    Api(Box<ApiError>),
    /// An argument breaks its rule; nothing was sent.
    InvalidArgument(String),
    /// The client lacks something, or what it was built with contradicts itself.
    Configuration(String),
    /// The account can't be logged in like this: it asks for a second factor, say.
    Login(String),
    /// The server was not reached, or the connection broke. `sent` says whether the request, or the one for a token that
    /// came before it, may have arrived.
    Connection { sent: bool, source: Arc<reqwest::Error> },
    /// No answer in time; the request, or the one for a token that came before it, may have arrived.
    Timeout,
    /// An answer that this version can't read; the status it came with.
    UnexpectedAnswer { status: Option<u16>, request_id: Option<String> },
}

/// A refusal: RFC 9457 problem details, the status taken from the HTTP answer and never from its body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiError {
    pub status: u16,
    /// `about:blank`, or a bare word to branch on such as `resource_limit_exceeded`.
    pub kind: String,
    pub title: String,
    /// One sentence: what is wrong and what would be right.
    pub detail: String,
    /// By request field, where the server blames some.
    pub fields: BTreeMap<String, String>,
    /// What the server's log knows this request by.
    pub request_id: Option<String>,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(error) => Some(error.status),
            Self::UnexpectedAnswer { status, .. } => *status,
            _ => None,
        }
    }

    /// What the server's log knows the request by.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Api(error) => error.request_id.as_deref(),
            Self::UnexpectedAnswer { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// What the system, or TLS, says of a connection that failed.
    pub fn reason(&self) -> Option<String> {
        let Self::Connection { source, .. } = self else { return None };
        let mut cause: &dyn std::error::Error = source.as_ref();
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Some(cause.to_string())
    }

    /// 401: no credential, or one that is not good any more.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(401)
    }

    /// 402: what it costs was not paid.
    pub fn is_payment_required(&self) -> bool {
        self.status() == Some(402)
    }

    /// 404: no such thing within what the caller may see.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// 403: known, but not allowed.
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(403)
    }

    /// 409: a name that is taken, or a state that is against it.
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// 410: expired, deleted or used up.
    pub fn is_gone(&self) -> bool {
        self.status() == Some(410)
    }

    /// 429: too many; [`ApiError::retry_after`] says when to come again.
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(429)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::InvalidArgument(text) | Self::Configuration(text) | Self::Login(text) => f.write_str(text),
            Self::Connection { .. } => f.write_str("the server could not be reached, or the connection broke"),
            Self::Timeout => f.write_str("the server did not answer in time"),
            Self::UnexpectedAnswer { status: Some(status), .. } => {
                write!(f, "an answer ({status}) that is not Keepward's")
            }
            Self::UnexpectedAnswer { status: None, .. } => f.write_str("an answer that is not Keepward's"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.title, self.detail)
    }
}

impl std::error::Error for ApiError {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection { source, .. } => Some(source.as_ref()),
            Self::Api(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<keepward_api::Invalid> for Error {
    fn from(rule: keepward_api::Invalid) -> Self {
        Self::InvalidArgument(rule.to_string())
    }
}

/// Never: for arguments that are of the right type already.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Longest body of an error that is read.
const MAX_PROBLEM: usize = 64 * 1024;

/// A header of an answer, if it is a text.
pub(crate) fn header(response: &reqwest::Response, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// How long the server wants to be left alone, which it says in seconds or as a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let text = header(response, "retry-after")?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(&text).ok()?;
    // One that is over says nothing: the clocks may differ.
    until.duration_since(SystemTime::now()).ok()
}

async fn from_response(mut response: reqwest::Response) -> Error {
    let status = response.status();
    let request_id = header(&response, "x-request-id");
    if status.is_success() {
        return Error::UnexpectedAnswer { status: Some(status.as_u16()), request_id };
    }
    let retry_after = retry_after(&response);
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > MAX_PROBLEM {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    // Member by member: one that a newer server writes in another form takes no other along.
    let problem: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| problem.get(name)?.as_str().map(str::to_owned);
    let title = text("title").or_else(|| status.canonical_reason().map(str::to_owned)).unwrap_or_default();
    let fields = problem.get("fields").and_then(Value::as_object).into_iter().flatten();
    Error::Api(Box::new(ApiError {
        status: status.as_u16(),
        kind: text("type").unwrap_or_else(|| "about:blank".to_owned()),
        detail: text("detail").unwrap_or_else(|| "The answer has no detail.".to_owned()),
        title,
        fields: fields.filter_map(|(name, rule)| Some((name.clone(), rule.as_str()?.to_owned()))).collect(),
        request_id,
        retry_after,
    }))
}

fn from_reqwest(error: reqwest::Error) -> Error {
    // The URL holds paths of secrets.
    let source = error.without_url();
    if source.is_timeout() && !source.is_connect() {
        return Error::Timeout;
    }
    Error::Connection { sent: !source.is_connect(), source: Arc::new(source) }
}

/// What the generated client answered with, as ours. Its own error loses the status of an answer that does not decode, and
/// prints the body, so neither is kept; `answered` is the status and the request's id.
pub(crate) async fn convert(error: Raw<()>, answered: Option<(u16, Option<String>)>) -> Error {
    match error {
        Raw::UnexpectedResponse(response) => from_response(response).await,
        Raw::CommunicationError(error) | Raw::ResponseBodyError(error) | Raw::InvalidUpgrade(error) => {
            from_reqwest(error)
        }
        Raw::InvalidRequest(text) => Error::InvalidArgument(text),
        Raw::Custom(text) => Error::Configuration(text),
        Raw::InvalidResponsePayload(..) | Raw::ErrorResponse(_) => {
            let (status, request_id) = answered.unzip();
            Error::UnexpectedAnswer { status, request_id: request_id.flatten() }
        }
    }
}
