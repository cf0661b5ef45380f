//! From a head and a body to an answer, whatever carried them here.

use super::generated::layer;
use super::pipeline::{Answer, Routed};
use super::problem;
use super::reply::Reply;
use super::request::{Incoming, Place};
use crate::app::App;
use crate::error::Error;
use crate::store::Actor;
use dropshot::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Instant;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What CORS lets a browser send and see (the contract's lists).
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, X-PAYMENT, PAYMENT-SIGNATURE, X-Share-Passphrase, x-cmek-old-key, x-cmek-new-key";
const EXPOSED_HEADERS: &str = "Retry-After, X-Request-Id, PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-RateLimit-Requests-Used, X-RateLimit-Requests-Limit, X-RateLimit-Requests-Percent, X-Quota-Warning, X-Credit-Balance-Cents, X-Credit-Expiring-Soon, X-Overage-Method";
/// Largest head, in bytes of target and headers.
const MAX_HEAD: usize = 32 * 1024;
const ALLOWED_METHODS: &str = "GET, POST, PUT, PATCH, DELETE";

/// Answers one request.
pub(super) async fn dispatch(app: &App, id: String, head: http::request::Parts, body: Body, peer: IpAddr) -> Reply {
    let started = Instant::now();
    let (method, origin) = (head.method.clone(), head.headers.get(header::ORIGIN).cloned());
    let path = head.uri.path().to_owned();
    let address = client_address(peer, &head.headers, &app.config.trusted_proxies);
    let answered = if method == Method::OPTIONS {
        Err(preflight())
    } else if head.headers.get_all(header::HOST).iter().count() > 1 {
        Err(problem::plain(StatusCode::BAD_REQUEST, "`Host` is given twice."))
    } else if head_bytes(&head) > MAX_HEAD {
        Err(problem::plain(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "The head of the request is larger than 32 kB.",
        ))
    } else {
        let segments: Vec<&str> = segments(&path);
        let place = match segments.as_slice() {
            ["v1", "health", ..] => Ok(Place::none(&app.in_work)),
            _ => Place::take(&app.in_work),
        };
        match place {
            Err(error) => Err(problem::reply(&error, &id)),
            Ok(place) => {
                match layer::route(app, Incoming::new(app, id.clone(), head, body, address, place), &segments).await {
                    Routed::Answered(answer) => Ok(answer),
                    Routed::Unknown(incoming) => Err(unrouted(app, &incoming, None).await),
                    Routed::WrongMethod(incoming, allow) => Err(unrouted(app, &incoming, Some(allow)).await),
                }
            }
        }
    };
    let (route, principal, mut reply) = match answered {
        Ok(Answer { reply, meta, principal }) => (meta.path, principal, reply),
        Err(reply) => ("", None, reply),
    };
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    cors(headers, origin.as_ref(), &app.config.public_url);
    log(&id, &method, route, reply.status(), started, principal);
    reply
}

fn head_bytes(head: &http::request::Parts) -> usize {
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    headers.sum::<usize>() + head.uri.path_and_query().map_or(0, |target| target.as_str().len())
}

/// One line a request: never its URI, query, headers or paths of secrets.
fn log(id: &str, method: &Method, route: &str, status: StatusCode, started: Instant, principal: Option<Actor>) {
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    let principal = principal.and_then(Actor::id).map(|id| id.to_string());
    let (method, status) = (method.as_str(), status.as_u16());
    tracing::info!(request_id = id, method, route, status, milliseconds, principal, "request");
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
    if let Err(retry_after_seconds) = app.limits.charge_address(incoming.address) {
        return problem::reply(&Error::RateLimited { retry_after_seconds }, &incoming.id);
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

/// No wildcard: the server's own public address only.
fn cors(headers: &mut HeaderMap, origin: Option<&HeaderValue>, public_url: &str) {
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin
        && origin.as_bytes() == public_url.trim_end_matches('/').as_bytes()
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
}

/// The client: from the right of `X-Forwarded-For`, past proxies that are trusted. A header from anybody else is ignored.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    let hops = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        if !trusted.iter().any(|network| network.contains(&address)) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(next) => address = next.to_canonical(),
            Err(_) => break,
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let forwarded = |text: &'static str| HeaderMap::from_iter([(FORWARDED_FOR, HeaderValue::from_static(text))]);
        for (peer, header, client) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "192.0.2.7, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(
                client_address(peer.parse().unwrap(), &forwarded(header), &trusted),
                client.parse::<IpAddr>().unwrap()
            );
        }
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
