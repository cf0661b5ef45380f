//! From a head and a body to an answer, whatever carried them here.

use super::generated::layer;
use super::pipeline::{Answer, Routed, run, tell};
use super::problem;
use super::reply::Reply;
use super::request::{Incoming, Place, drain};
use crate::app::App;
use crate::error::Error;
use crate::metrics::METRICS;
use dropshot::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What CORS lets a browser send and see (the contract's lists).
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, X-PAYMENT, PAYMENT-SIGNATURE, X-Share-Passphrase, x-cmek-old-key, x-cmek-new-key, DPoP, X-Auth-Confirm";
const EXPOSED_HEADERS: &str = "Retry-After, X-Request-Id, PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-RateLimit-Requests-Used, X-RateLimit-Requests-Limit, X-RateLimit-Requests-Percent, X-Quota-Warning, X-Credit-Balance-Cents, X-Credit-Expiring-Soon, X-Overage-Method";
/// Largest head, in bytes of target and headers.
const MAX_HEAD: usize = 32 * 1024;
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Answers one request.
pub(super) async fn dispatch(app: &App, id: String, head: http::request::Parts, body: Body, peer: IpAddr) -> Reply {
    let started = Instant::now();
    let _working = METRICS.work();
    let (method, origin) = (head.method.clone(), head.headers.get(header::ORIGIN).cloned());
    let answered = match precheck(app, &id, &head, peer) {
        Checked::Early(reply) => {
            drain(body).await;
            Err(reply)
        }
        Checked::Client(address) => route(app, &id, head, body, address).await,
    };
    let (operation, principal, mut reply) = match answered {
        Ok(Answer { reply, meta, principal }) => (Some(meta), principal, reply),
        Err(reply) => (None, None, reply),
    };
    if method == Method::HEAD {
        *reply.body_mut() = Body::empty();
    }
    let is_success = reply.status().is_success();
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    let cache = operation.filter(|_| is_success).map_or("no-store", |meta| meta.cache);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    cors(headers, origin.as_ref(), &app.config.cors_origins);
    tell(&id, &method, operation, reply.status().as_u16(), started, principal);
    reply
}

/// What a head says before it is routed.
enum Checked {
    /// Who sends it.
    Client(IpAddr),
    /// The answer.
    Early(Reply),
}

fn precheck(app: &App, id: &str, head: &http::request::Parts, peer: IpAddr) -> Checked {
    if head.method == Method::OPTIONS {
        return Checked::Early(preflight());
    }
    let refuse = |error: &Error| Checked::Early(problem::reply(error, id));
    let Some(address) = client_address(peer, &head.headers, &app.config.trusted_proxies) else {
        let detail = "`X-Forwarded-For`, as the trusted proxy sends it, does not name the client's address.";
        return refuse(&Error::invalid(detail));
    };
    let refused = match head.headers.get_all(header::HOST).iter().count() {
        2.. => Checked::Early(problem::reply(&Error::invalid("`Host` is given twice."), id)),
        0 if head.version == http::Version::HTTP_11 => refuse(&Error::invalid("`Host` is missing.")),
        _ if head_bytes(head) > MAX_HEAD => Checked::Early(problem::plain(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The head of the request is larger than 32 kB.",
        )),
        _ => return Checked::Client(address),
    };
    charge(app, address).map_or_else(|limited| refuse(&limited), |()| refused)
}

fn charge(app: &App, address: IpAddr) -> Result<(), Error> {
    app.limits
        .charge_address(address)
        .map_err(|retry_after_seconds| Error::RateLimited { retry_after_seconds, limit: None })
}

async fn route(app: &App, id: &str, head: http::request::Parts, body: Body, address: IpAddr) -> Result<Answer, Reply> {
    let segments = segments(head.uri.path());
    let place = match segments.as_slice() {
        ["v1", "health", ..] => Place::none(&app.in_work),
        _ => Place::take(&app.in_work).map_err(|error| problem::reply(&error, id))?,
    };
    // A HEAD is a GET whose answer has no body (RFC 9110, 9.3.2).
    let method = if head.method == Method::HEAD { "GET" } else { head.method.as_str() };
    let routed = layer::route(method, &segments);
    let incoming = |variables| Incoming::new(app, id.to_owned(), head, variables, body, address, place);
    match routed {
        Routed::Operation(meta, variables) => Ok(run(app, meta, incoming(variables)).await),
        Routed::WrongMethod(allow) => Err(unrouted(app, &incoming(Vec::new()), Some(allow)).await),
        Routed::Unknown => Err(unrouted(app, &incoming(Vec::new()), None).await),
    }
}

fn head_bytes(head: &http::request::Parts) -> usize {
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    headers.sum::<usize>() + head.uri.path_and_query().map_or(0, |target| target.as_str().len())
}

/// The undecoded segments, without the first slash and an `/api` before `/v1`; empty ones stay, and match nothing.
fn segments(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_prefix("api/").filter(|rest| rest.starts_with("v1/")).unwrap_or(path);
    path.split('/').collect()
}

/// 404, or 405 with `Allow`; charged to the address like anything unproven.
async fn unrouted(app: &App, incoming: &Incoming, allow: Option<&'static str>) -> Reply {
    incoming.discard_body().await;
    if let Err(limited) = charge(app, incoming.address) {
        return problem::reply(&limited, &incoming.id);
    }
    match allow {
        None => problem::plain(
            StatusCode::NOT_FOUND,
            "There is no such route; the document at /v1/openapi.json lists them.",
        ),
        Some(allow) => {
            let detail = format!("This route does not have that method; it has {allow}.");
            let mut reply = problem::plain(StatusCode::METHOD_NOT_ALLOWED, &detail);
            reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
            reply
        }
    }
}

fn preflight() -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    reply
}

/// No wildcard: the configured origins, by default the server's own public address.
fn cors(headers: &mut HeaderMap, origin: Option<&HeaderValue>, allowed: &[String]) {
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin
        && allowed.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes())
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
}

/// The client: from the right of `X-Forwarded-For`, past proxies that are trusted. A header from anybody else is ignored;
/// one that can't be read where a trusted proxy says whom it speaks for names nobody (`None`), least of all the proxy.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut address = peer.to_canonical();
    let lines: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    let joined = lines.join(&b',');
    let hops = joined.rsplit(|byte| *byte == b',').filter(|_| !lines.is_empty());
    for hop in hops {
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
        address = hop_address(hop)?;
    }
    Some(address)
}

/// An address, as proxies write it: also with a port, in brackets or quotes.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let client = |peer: &str, lines: &[&[u8]]| {
            let lines = lines.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap()));
            let mut headers = HeaderMap::new();
            lines.for_each(|(name, value)| {
                headers.append(name, value);
            });
            client_address(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
        };
        for (peer, line, expected) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("203.0.113.9", "nonsense", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "192.0.2.7, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "nonsense, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1:555", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::1]:5, 10.0.0.2:80", "2001:db8::1"),
            ("10.0.0.1", "\"[2001:db8::1]\"", "2001:db8::1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(client(peer, &[line.as_bytes()]).as_deref(), Some(expected), "{line}");
        }
        assert_eq!(client("10.0.0.1", &[]).as_deref(), Some("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &[b"6.6.6.6", b"\xff, 198.51.100.1"]).as_deref(), Some("198.51.100.1"));
        for unreadable in ["", "nonsense", "198.51.100.1,", "unknown", "fe80::1%eth0", "198.51.100.1, x, 10.0.0.2"] {
            assert_eq!(client("10.0.0.1", &[unreadable.as_bytes()]), None, "{unreadable}");
        }
        assert_eq!(client("10.0.0.1", &[b"6.6.6.6", b"\xff"]), None);
    }

    #[test]
    fn segments_keep_what_is_empty() {
        assert_eq!(segments("/v1/vaults"), ["v1", "vaults"]);
        assert_eq!(segments("/api/v1/vaults"), ["v1", "vaults"]);
        assert_eq!(segments("/v1/vaults/"), ["v1", "vaults", ""]);
        assert_eq!(segments("//v1/vaults"), ["", "v1", "vaults"]);
        assert_eq!(segments("/api/other"), ["api", "other"]);
    }
}
