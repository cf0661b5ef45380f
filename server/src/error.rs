//! The one error of the server, free of HTTP: `http/problem.rs` maps it to a status.

use std::borrow::Cow;
use std::error::Error as StdError;
use uuid::Uuid;

type Cause = Box<dyn StdError + Send + Sync>;

/// Why a request was not done. `detail` is for the caller and holds nothing secret; `cause` is for the log.
#[derive(Debug)]
pub enum Error {
    /// The request breaks a rule of the document; `fields` says which member, where one is to blame.
    Invalid { detail: Cow<'static, str>, fields: Vec<(String, String)> },
    /// No credential, or one that is not good (any more).
    Unauthenticated { detail: &'static str },
    /// Known, but not allowed; `resource` is what was kept from the caller, where they may know of it.
    Forbidden { detail: Cow<'static, str>, resource: Option<Uuid> },
    /// No such thing within what the caller may see.
    NotFound { what: &'static str },
    /// The state that the request assumes is not the state there is.
    Conflict { detail: Cow<'static, str> },
    /// It was there once: expired, deleted or used up.
    Gone { detail: &'static str, resource: Option<Uuid> },
    /// The body is over the operation's limit in bytes.
    TooLarge { limit: usize },
    /// A body in another format than JSON.
    WrongMediaType,
    /// Too many requests; whole seconds until one more is let in, and the limit, where the caller is known.
    RateLimited { retry_after_seconds: u64, limit: Option<&'static str> },
    /// The document has it, this version does not.
    NotImplemented { detail: &'static str },
    /// Database or keystore does not answer, or the server is full; trying again is safe.
    Unavailable { cause: Option<Cause> },
    /// Our mistake.
    Internal { cause: Cause },
}

/// What slices and everything below them answer with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A broken rule that no single field is to blame for.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { detail: detail.into(), fields: Vec::new() }
    }

    /// A broken rule of one field.
    pub fn field(name: &str, rule: impl Into<Cow<'static, str>>) -> Self {
        let rule = rule.into();
        debug_assert!(
            rule.starts_with("must ") || rule.starts_with('`'),
            "`{name}`: a rule says what is required: {rule}"
        );
        Self::Invalid {
            detail: format!("`{name}`: {rule}.").into(),
            fields: vec![(name.to_owned(), rule.into_owned())],
        }
    }

    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Forbidden { detail: detail.into(), resource: None }
    }

    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict { detail: detail.into() }
    }

    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal { cause: cause.into() }
    }

    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable { cause: Some(cause.into()) }
    }

    /// Whether this is a decision about the caller's right or the resource's state, which the audit trail keeps; a request
    /// that can't be read, and our own failures, are none.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Forbidden { .. } | Self::NotFound { .. } | Self::Conflict { .. } | Self::Gone { .. })
    }

    /// The resource that a refusal is about, where it is known better than by the request's path.
    pub fn resource(&self) -> Option<Uuid> {
        match self {
            Self::Forbidden { resource, .. } | Self::Gone { resource, .. } => *resource,
            _ => None,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid { detail, .. } | Self::Forbidden { detail, .. } | Self::Conflict { detail } => {
                f.write_str(detail)
            }
            Self::Unauthenticated { detail } | Self::Gone { detail, .. } | Self::NotImplemented { detail } => {
                f.write_str(detail)
            }
            Self::NotFound { what } => write!(f, "No such {what}."),
            Self::TooLarge { limit } => write!(f, "The body is larger than {limit} bytes."),
            Self::WrongMediaType => f.write_str("The body's content type must be application/json."),
            Self::RateLimited { limit: None, .. } => {
                f.write_str("Too many requests; wait as long as Retry-After says.")
            }
            Self::RateLimited { limit: Some(limit), .. } => {
                write!(f, "Too many requests ({limit}); wait as long as Retry-After says.")
            }
            Self::Unavailable { .. } => f.write_str("The server can't do this now; try again."),
            Self::Internal { .. } => f.write_str("The server failed; the log has the request id."),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unavailable { cause: Some(cause) } | Self::Internal { cause } => Some(cause.as_ref()),
            _ => None,
        }
    }
}
