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
        match tokio::runtime::Handle::try_current() {
            Err(error) if error.is_missing_context() => {}
            _ => {
                let text =
                    "await a call within an asynchronous runtime, or give it to `Handle::block_on` where that may wait";
                return Err(Error::Configuration(text.to_owned()));
            }
        }
        let runtime = runtime().map_err(|error| Error::Configuration(format!("no runtime: {error}")))?;
        runtime.block_on(self)
    }
}

/// One for all clients of this process, with a thread of its own: it sees to their idle connections, which a call that is
/// awaited elsewhere may be given. A fork takes no threads along, so that a child makes one for itself.
#[cfg(feature = "blocking")]
fn runtime() -> std::io::Result<&'static tokio::runtime::Runtime> {
    use std::sync::{Mutex, PoisonError};
    use tokio::runtime::{Builder, Runtime};
    static RUNTIME: Mutex<Option<(u32, &Runtime)>> = Mutex::new(None);
    let (process, mut known) = (std::process::id(), RUNTIME.lock().unwrap_or_else(PoisonError::into_inner));
    match *known {
        Some((of, runtime)) if of == process => Ok(runtime),
        _ => {
            let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("keepward").enable_all().build()?;
            Ok(known.insert((process, Box::leak(Box::new(runtime)))).1)
        }
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
