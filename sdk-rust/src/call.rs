//! A call on its way.

use crate::error::{Error, Result};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A request that is sent when it is awaited; dropping it ends the call.
#[must_use = "a request is sent when it is awaited"]
pub struct Call<'a, Answer>(Pin<Box<dyn Future<Output = Result<Answer>> + Send + 'a>>);

impl<'a, Answer: 'a> Call<'a, Answer> {
    /// Sends what was asked for; a wrong argument is the answer, and nothing is sent.
    pub(crate) fn new<Request, Send, Sent>(request: Result<Request>, send: Send) -> Self
    where
        Request: std::marker::Send + 'a,
        Send: FnOnce(Request) -> Sent + std::marker::Send + 'a,
        Sent: Future<Output = Result<Answer>> + std::marker::Send + 'a,
    {
        Self(Box::pin(async move { send(request?).await }))
    }
}

impl<Answer> Future for Call<'_, Answer> {
    type Output = Result<Answer>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<Answer> fmt::Debug for Call<'_, Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call(..)")
    }
}

/// Sets an optional argument; the first wrong one is what the call answers.
pub(crate) fn change<Request, Value, Argument>(
    request: &mut Result<Request>,
    value: Value,
    set: impl FnOnce(&mut Request, Argument),
) where
    Value: TryInto<Argument>,
    Error: From<Value::Error>,
{
    let Ok(unset) = request else { return };
    match value.try_into() {
        Ok(value) => set(unset, value),
        Err(error) => *request = Err(error.into()),
    }
}
