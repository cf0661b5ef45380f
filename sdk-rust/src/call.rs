//! A call on its way.

use crate::error::{Error, Result};
use futures_util::{Stream, stream};
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

/// How often a runtime looks at its sockets, and runs what they wake, before a call that is waited for.
#[cfg(feature = "blocking")]
const LOOKS: usize = 4;

#[cfg(feature = "blocking")]
impl<Answer> Call<'_, Answer> {
    /// Sends it and waits for the answer, on the thread that calls this.
    ///
    /// # Errors
    /// As when it is awaited, and [`Error::Configuration`] within an asynchronous runtime, which it would stop. A thread of
    /// one that may wait, as in `spawn_blocking`, gives the call to the runtime: `Handle::current().block_on(call)`.
    pub fn wait(self) -> Result<Answer> {
        // One for all clients: it owns their idle connections.
        static RUNTIME: std::sync::OnceLock<std::io::Result<tokio::runtime::Runtime>> = std::sync::OnceLock::new();
        if tokio::runtime::Handle::try_current().is_ok() {
            let text =
                "await a call within an asynchronous runtime, or give it to `Handle::block_on` where that may wait";
            return Err(Error::Configuration(text.to_owned()));
        }
        let runtime =
            RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_all().build()).as_ref();
        let runtime = runtime.map_err(|error| Error::Configuration(format!("no runtime: {error}")))?;
        runtime.block_on(async {
            // Nobody has looked at idle connections since the last call: those that the server closed are found out first.
            for _ in 0..LOOKS {
                tokio::task::yield_now().await;
            }
            self.await
        })
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

/// So many pages in a row that repeat the one before come from somebody who knows nothing of pages, or grow as fast as they
/// are read: there is no end to come to.
const MOST_REPEATED: u32 = 10;

/// The items of a page and of all that follow it.
pub(crate) fn pages<'a, Request, Answer, Item, Id>(
    request: Result<Request>,
    send: impl Fn(Request) -> Call<'a, Answer> + Send + 'a,
    items: fn(Answer) -> Vec<Item>,
    id: fn(&Item) -> Id,
    advance: fn(&mut Request, i32),
) -> impl Stream<Item = Result<Item>> + Send + 'a
where
    Request: Clone + Send + 'a,
    Answer: 'a,
    Item: Send + 'a,
    Id: PartialEq + Send + 'a,
{
    struct State<Request, Item, Id> {
        request: Result<Request>,
        waiting: std::vec::IntoIter<Item>,
        /// Of the page before.
        given: Vec<Id>,
        /// How many pages in a row had nothing new.
        repeated: u32,
    }
    let first = State { request, waiting: Vec::new().into_iter(), given: Vec::new(), repeated: 0 };
    // The sender goes from step to step with the state: the stream owns both.
    stream::try_unfold((first, send), move |(mut state, send)| async move {
        loop {
            if let Some(item) = state.waiting.next() {
                return Ok(Some((item, (state, send))));
            }
            let mut request = state.request?;
            let page = items(send(request.clone()).await?);
            if page.is_empty() {
                return Ok(None);
            }
            advance(&mut request, i32::try_from(page.len()).unwrap_or(i32::MAX));
            state.request = Ok(request);
            let ids: Vec<Id> = page.iter().map(id).collect();
            let fresh: Vec<Item> = page.into_iter().filter(|item| !state.given.contains(&id(item))).collect();
            state.repeated = if fresh.is_empty() { state.repeated + 1 } else { 0 };
            if state.repeated == MOST_REPEATED {
                return Err(Error::UnexpectedAnswer { status: None, request_id: None });
            }
            (state.given, state.waiting) = (ids, fresh.into_iter());
        }
    })
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
