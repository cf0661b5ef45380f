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
    pub(crate) fn new<Request, Sender, Sent>(request: Result<Request>, send: Sender) -> Self
    where
        Request: Send + 'a,
        Sender: FnOnce(Request) -> Sent + Send + 'a,
        Sent: Future<Output = Result<Answer>> + Send + 'a,
    {
        Self(Box::pin(async move { send(request?).await }))
    }
}

#[cfg(feature = "blocking")]
impl<Answer> Call<'_, Answer> {
    /// Sends it and waits for the answer, on the thread that calls this.
    ///
    /// # Errors
    /// As when it is awaited, and [`Error::Configuration`] within an asynchronous runtime, which it would stop. A thread of
    /// one that may wait, as in `spawn_blocking`, gives the call to the runtime: `Handle::current().block_on(call)`.
    pub fn wait(self) -> Result<Answer> {
        // One for all clients, with a thread of its own: it sees to their idle connections, which a call that is awaited
        // elsewhere may be given.
        static RUNTIME: std::sync::OnceLock<std::io::Result<tokio::runtime::Runtime>> = std::sync::OnceLock::new();
        if tokio::runtime::Handle::try_current().is_ok() {
            let text =
                "await a call within an asynchronous runtime, or give it to `Handle::block_on` where that may wait";
            return Err(Error::Configuration(text.to_owned()));
        }
        let begin = || {
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("keepward").enable_all().build()
        };
        let runtime = RUNTIME.get_or_init(begin).as_ref();
        let runtime = runtime.map_err(|error| Error::Configuration(format!("no runtime: {error}")))?;
        runtime.block_on(self)
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

/// A text that stands in a path by itself: as these it would lead elsewhere.
pub(crate) fn check_segment(text: &str) -> Result<()> {
    match text {
        "" | "." | ".." => Err(Error::InvalidArgument("a part of a path is not empty, `.` or `..`".to_owned())),
        _ => Ok(()),
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
