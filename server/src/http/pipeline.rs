//! What every request goes through, top to bottom:
//!
//! rate limit by address -> form and signature of the credential -> path and query (an error is kept) -> ONE statement:
//! live principal, revocation, policies, row -> 401 -> charge the principal -> 403 by kind and role -> 501 of a planned
//! operation -> the kept 400 -> handler (decides, reads the body, acts) -> the refusal's event -> headers.

use super::problem;
use super::reply::Reply;
use super::request::{Admitted, Incoming};
use crate::app::App;
use crate::caller::lookup::{self, Lookup};
use crate::caller::{AnyCaller, CallerKind, Found, FromLive, Role, Visitor, network, parse_bearer};
use crate::error::{Error, Result};
use crate::metrics::METRICS;
use crate::store::{Actor, Event, Outcome};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Method, header};
use serde_json::{Map, json};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

/// What an operation does once the limit of its address is passed. Boxed, so that `run` is compiled once and not once for
/// each operation, and a request is not as large as the largest operation each time it is moved.
pub(crate) type Steps = for<'a> fn(&'a App, &'static OperationMeta, &'a mut Incoming) -> BoxFuture<'a, Result<Reply>>;

/// What the document says of an operation, and its generated steps.
#[derive(Debug)]
#[expect(dead_code, reason = "metrics and the 501 list read what the pipeline does not")]
pub(crate) struct OperationMeta {
    pub(crate) id: &'static str,
    pub(crate) method: &'static str,
    /// The template: what logs may show.
    pub(crate) path: &'static str,
    pub(crate) caller: CallerKind,
    pub(crate) min_role: Option<Role>,
    pub(crate) requires_intents: bool,
    pub(crate) audit: Option<&'static str>,
    /// What the trail calls a refusal: the same, or `resource.verb` for reads that leave no event when they are allowed.
    pub(crate) refusal: &'static str,
    pub(crate) rate: Rate,
    pub(crate) planned: bool,
    pub(crate) max_body: usize,
    /// `Cache-Control` of a successful answer; errors are `no-store`.
    pub(crate) cache: &'static str,
    /// Other names of the body's fields, each with the field's own.
    pub(crate) aliases: &'static [(&'static str, &'static str)],
    /// Fields of the body that would limit something if this version knew them, each with the words that limit nothing.
    pub(crate) refuses: &'static [(&'static str, &'static [&'static str])],
    pub(crate) steps: Steps,
}

/// Whom a request is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// The principal; the address where none is proven.
    Principal,
    /// Public authentication: the address, 5 at once, then 1 a second.
    Authentication,
    /// Not charged: health must always answer.
    Never,
    /// Exchange of a key: the slice charges the key if it is known, else the address.
    Key,
}

/// Where a request goes.
pub(crate) enum Routed {
    /// The operation, and its path variables in order, undecoded.
    Operation(&'static OperationMeta, Vec<String>),
    /// The methods that the route has.
    WrongMethod(&'static str),
    Unknown,
}

/// An answer with what the log line says of it.
pub(crate) struct Answer {
    pub(super) reply: Reply,
    pub(super) meta: &'static OperationMeta,
    pub(super) principal: Option<Actor>,
}

const NOT_YET: Error = Error::NotImplemented { detail: "This version of the server does not have this operation yet." };

/// Counts a request, and logs one line: never its URI, query, headers or paths of secrets.
pub(super) fn tell(
    id: &str,
    method: &Method,
    operation: Option<&OperationMeta>,
    status: u16,
    started: Instant,
    principal: Option<Actor>,
) {
    let took = started.elapsed();
    METRICS.request(operation.map(|meta| meta.id), status, took);
    let (method, route) = (method.as_str(), operation.map_or("", |meta| meta.path));
    let milliseconds = took.as_secs_f64() * 1000.0;
    let principal = principal.and_then(Actor::id).map(|id| id.to_string());
    tracing::info!(request_id = id, method, route, status, milliseconds, principal, "request");
}

/// What nginx calls a request whose client did not wait for its answer.
const HUNG_UP: u16 = 499;

/// An operation under way. Dropped before its answer, it was given up by its client, and is counted and logged as that.
struct Working<'a> {
    app: &'a App,
    meta: &'static OperationMeta,
    incoming: Incoming,
    started: Instant,
    is_answered: bool,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if self.is_answered || std::thread::panicking() {
            return;
        }
        let (meta, incoming) = (self.meta, &self.incoming);
        let actor = incoming.admitted.as_ref().map(|admitted| admitted.actor);
        if actor.is_none() && meta.caller != CallerKind::Public {
            // Hanging up before the lookup's answer is no way around the limit of what is unproven.
            let _ = self.app.limits.charge_address(incoming.address);
        }
        tell(&incoming.id, &incoming.method, Some(meta), HUNG_UP, self.started, actor);
    }
}

/// Runs an operation: the limit by address, its steps, and what follows a refusal.
pub(super) async fn run(app: &App, meta: &'static OperationMeta, incoming: Incoming) -> Answer {
    let mut working = Working { app, meta, incoming, started: Instant::now(), is_answered: false };
    let incoming = &mut working.incoming;
    let outcome = match limit(app, meta, incoming) {
        Err(error) => Err(error),
        // A handler that panics is our mistake and one 500, no more.
        Ok(()) => AssertUnwindSafe((meta.steps)(app, meta, incoming))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::internal("a handler panicked"))),
    };
    let outcome = match outcome {
        // A known key was charged to itself; whatever else fails here has proven nothing.
        Err(error) if meta.rate == Rate::Key && !matches!(error, Error::RateLimited { .. }) => {
            Err(app.limits.charge_unknown_key(incoming.address).map_or_else(limited, |()| error))
        }
        Err(error) => Err(record_refusal(app, meta, incoming, error).await),
        reply => reply,
    };
    let reply = outcome.unwrap_or_else(|error| problem::reply(&error, &incoming.id));
    incoming.discard_body().await;
    let principal = incoming.admitted.take().map(|admitted| admitted.actor);
    working.is_answered = true;
    Answer { reply, meta, principal }
}

fn limited(retry_after_seconds: u64) -> Error {
    Error::RateLimited { retry_after_seconds, limit: None }
}

/// Before anything is known of the caller.
fn limit(app: &App, meta: &OperationMeta, incoming: &Incoming) -> Result<()> {
    let address = incoming.address;
    match (meta.rate, meta.caller) {
        (Rate::Never, _) => Ok(()),
        (Rate::Authentication, _) => app.limits.charge_authentication(address),
        (Rate::Key, _) => app.limits.look_at_address(address),
        (Rate::Principal, CallerKind::Public) => app.limits.charge_address(address),
        (Rate::Principal, _) => app.limits.look_at_address(address),
    }
    .map_err(limited)
}

/// The steps before a public operation's handler.
pub(crate) fn admit_public<P>(
    _: &App,
    _: &'static OperationMeta,
    incoming: &mut Incoming,
    params: Result<P>,
) -> Result<(Visitor, P)> {
    single_authorization(incoming)?;
    Ok((Visitor { address: incoming.address, now: incoming.now }, params?))
}

/// The steps before a handler that looks up nothing but its caller.
pub(crate) async fn admit<C: FromLive, P>(
    app: &App,
    meta: &'static OperationMeta,
    incoming: &mut Incoming,
    params: Result<P>,
) -> Result<(C, P)> {
    let (caller, _) = prove(app, meta, incoming, None::<&lookup::Nothing>).await?;
    let caller = C::from_live(caller)?;
    Ok((caller, params?))
}

/// The steps before a handler whose statement also brings a row.
pub(crate) async fn admit_with<C: FromLive, P, L: Lookup>(
    app: &App,
    meta: &'static OperationMeta,
    incoming: &mut Incoming,
    params: Result<P>,
    key: impl FnOnce(&P) -> L,
) -> Result<(C, Found<L>, P)> {
    // Parameters that don't parse look up the principal alone; 401 and 403 come before their 400.
    let key = params.as_ref().ok().map(key);
    let (caller, found) = prove(app, meta, incoming, key.as_ref()).await?;
    let caller = C::from_live(caller)?;
    let params = params?;
    let found = found.ok_or_else(|| Error::internal("a lookup without its answer"))?;
    Ok((caller, found, params))
}

/// The steps of an operation of the document that this version does not have.
pub(crate) fn planned<'a>(
    app: &'a App,
    meta: &'static OperationMeta,
    incoming: &'a mut Incoming,
) -> BoxFuture<'a, Result<Reply>> {
    Box::pin(async move {
        if meta.caller != CallerKind::Public {
            let (caller, _) = prove(app, meta, incoming, None::<&lookup::Nothing>).await?;
            meta.caller.check(caller)?;
        }
        Err(NOT_YET)
    })
}

fn single_authorization(incoming: &Incoming) -> Result<()> {
    match incoming.headers.get_all(header::AUTHORIZATION).iter().count() {
        0 | 1 => Ok(()),
        _ => Err(Error::invalid("`Authorization` is given twice.")),
    }
}

/// Credential, the one statement, and what it says against the caller as such.
async fn prove<L: Lookup>(
    app: &App,
    meta: &'static OperationMeta,
    incoming: &mut Incoming,
    key: Option<&L>,
) -> Result<(AnyCaller, Option<Found<L>>)> {
    let (address, now) = (incoming.address, incoming.now);
    if let Err(error) = single_authorization(incoming) {
        app.limits.charge_address(address).map_err(limited)?;
        return Err(error);
    }
    let header = incoming.headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let has_header = header.is_some();
    let credential = parse_bearer(header, &app.tokens, &app.keyring.sub_keys, now).map(Arc::new);
    let proven = match credential {
        Ok(credential) => app.lookups.load(&credential, key, now, address).await,
        Err(error) => Err(error),
    };
    let (mut caller, found) = match proven {
        Ok(proven) => proven,
        Err(error @ Error::Unauthenticated { .. }) => {
            if has_header {
                app.refusals.count(network(address), "auth.failure");
            }
            app.limits.charge_address(address).map_err(limited)?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    caller.set_head(incoming.method == Method::HEAD);
    app.limits.charge_principal(caller.actor().id().unwrap_or_default()).map_err(limited)?;
    app.activity.note(caller.actor(), caller.session().key.as_ref().map(|key| key.id), now);
    let resource = key.and_then(Lookup::resource);
    incoming.admitted = Some(Admitted { org: caller.session().org.0, actor: caller.actor(), resource });
    rank(meta, &caller)?;
    Ok((caller, found))
}

/// Kind of caller, role, claim.
fn rank(meta: &OperationMeta, caller: &AnyCaller) -> Result<()> {
    let facts = &caller.live().facts.principal;
    if let Some(least) = meta.min_role
        && let AnyCaller::User(user) = caller
        && user.role() < least
    {
        return Err(Error::forbidden(format!("This operation needs the role {} or a higher one.", least.word())));
    }
    let has_claim = caller.session().claims.as_ref().is_none_or(|claims| claims.intents_api_enabled);
    if meta.requires_intents && matches!(caller, AnyCaller::Agent(_)) && !(facts.intents && has_claim) {
        return Err(Error::forbidden("This agent, or its token, does not have the intents API."));
    }
    Ok(())
}

/// A refusal of an audited operation is an event of its own, durable before the answer.
async fn record_refusal(app: &App, meta: &OperationMeta, incoming: &Incoming, error: Error) -> Error {
    let (action, Some(admitted), true) = (meta.refusal, &incoming.admitted, error.is_refusal()) else {
        return error;
    };
    let denied = matches!(error, Error::Forbidden { .. });
    let (resource, mut details) = match &admitted.resource {
        Some((kind, id, details)) => (Some((*kind, *id)), details.clone()),
        None => (None, Map::new()),
    };
    let resource = match (error.resource(), resource) {
        (Some(secret), Some(("vault", _))) => Some(("secret", secret)),
        (_, known) => known,
    };
    details.insert("reason".to_owned(), json!(error.to_string()));
    let outcome = if denied { Outcome::Denied } else { Outcome::Failure };
    let (chain, actor, address) = (admitted.org, admitted.actor, Some(incoming.address));
    match app.committer.record(Event { chain, action, actor, resource, outcome, details, address }).await {
        Ok(_) => error,
        Err(unrecorded) => unrecorded,
    }
}
