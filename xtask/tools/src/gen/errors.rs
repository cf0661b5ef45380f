//! The classes of errors that bindings raise, one list for all languages.

pub(super) struct ErrorClass {
    pub(super) name: &'static str,
    /// The statuses that it stands for; those without come from this side of the wire, or are whatever is above 499.
    pub(super) statuses: &'static [u16],
    pub(super) doc: &'static str,
}

pub(super) const ERRORS: [ErrorClass; 10] = [
    ErrorClass {
        name: "Unauthorized",
        statuses: &[401],
        doc: "401: no credential, or one that is not good (any more), or a login that asks for more.",
    },
    ErrorClass {
        name: "PaymentRequired",
        statuses: &[402],
        doc: "402: the plan's quota is used up, or the call is to be paid.",
    },
    ErrorClass { name: "Forbidden", statuses: &[403], doc: "403: known, but not allowed." },
    ErrorClass { name: "NotFound", statuses: &[404], doc: "404: no such thing within what the caller may see." },
    ErrorClass { name: "Conflict", statuses: &[409], doc: "409: the state is against it." },
    ErrorClass { name: "Gone", statuses: &[410], doc: "410: expired, deleted or used up." },
    ErrorClass {
        name: "RateLimited",
        statuses: &[429],
        doc: "429: too many calls; the server says for how long to wait.",
    },
    ErrorClass {
        name: "ServerError",
        statuses: &[],
        doc: "500 and above: the server's fault, or it does not have the operation yet.",
    },
    ErrorClass {
        name: "ConnectionFailed",
        statuses: &[],
        doc: "The server was not reached, or the connection broke, or somebody else answered.",
    },
    ErrorClass { name: "Timeout", statuses: &[], doc: "No answer in time; the request may have arrived." },
];

/// The class of an answer's status, if it has one of its own.
pub(super) fn class_of_status(status: u16) -> Option<&'static str> {
    ERRORS.iter().find(|error| error.statuses.contains(&status)).map(|error| error.name)
}
