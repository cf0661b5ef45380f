//! One file a resource: what a Rust programmer calls. Required things are arguments, optional ones are set on the request
//! before it is awaited.

mod account;
mod agents;
mod api_keys;
mod audit;
mod auth;
mod health;
mod policies;
mod secrets;
mod vaults;

pub use account::Account;
pub use agents::Agents;
pub use api_keys::ApiKeys;
pub use audit::Audit;
pub use auth::Auth;
pub use health::Health;
pub use policies::{Policies, Principal};
pub use secrets::Secrets;
pub use vaults::Vaults;

use crate::error::Result;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

type Sending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A request that can still be changed; awaiting it sends it.
#[must_use = "a request is sent when it is awaited"]
pub struct Prepared<'a, Request, Answer> {
    request: Result<Request>,
    send: Box<dyn FnOnce(Request) -> Sending<'a, Answer> + Send + 'a>,
}

impl<'a, Request, Answer> Prepared<'a, Request, Answer> {
    fn new<F, Sent>(request: Result<Request>, send: F) -> Self
    where
        F: FnOnce(Request) -> Sent + Send + 'a,
        Sent: Future<Output = Result<Answer>> + Send + 'a,
    {
        Self { request, send: Box::new(move |request| Box::pin(send(request))) }
    }

    /// Sets optional fields of the request.
    pub fn set(mut self, change: impl FnOnce(&mut Request)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }
}

impl<'a, Request: Send + 'a, Answer: Send + 'a> IntoFuture for Prepared<'a, Request, Answer> {
    type Output = Result<Answer>;
    type IntoFuture = Sending<'a, Answer>;
    fn into_future(self) -> Self::IntoFuture {
        match self.request {
            Ok(request) => (self.send)(request),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}
