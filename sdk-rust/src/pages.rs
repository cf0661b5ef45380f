//! Lists that are answered in pages.

use crate::Client;
use crate::call::Call;
use crate::error::{Error, Result};
use futures_util::{Stream, stream};

/// So many pages in a row that repeat the one before come from somebody who knows nothing of pages, or grow as fast as they
/// are read: there is no end to come to.
const MOST_REPEATED: u32 = 10;

/// What a list says of itself.
pub(crate) struct List<'a, Request, Answer, Item> {
    pub(crate) send: fn(&'a Client, Request) -> Call<'a, Answer>,
    pub(crate) items: fn(Answer) -> Vec<Item>,
    pub(crate) id: fn(&Item) -> Option<String>,
    /// Where a request says which page it wants.
    pub(crate) place: fn(&mut Request) -> &mut Option<i32>,
    /// Whether that counts items from 0; else it counts pages from 1.
    pub(crate) counts_items: bool,
}

/// A list on its way, page by page.
pub(crate) struct Pages<'a, Request, Answer, Item> {
    client: &'a Client,
    list: List<'a, Request, Answer, Item>,
    /// The next one; none after the last page, and after an error.
    request: Option<Result<Request>>,
    /// The ids of the latest items, as many as the longest page had: the last page may be short, and those that it moves on
    /// to the next one are of the page before. Keepward's items have an id; others count as the same.
    given: Vec<Option<String>>,
    /// How many pages in a row had nothing new.
    repeated: u32,
}

impl<'a, Request: Clone, Answer: 'a, Item> Pages<'a, Request, Answer, Item> {
    pub(crate) fn new(client: &'a Client, request: Result<Request>, list: List<'a, Request, Answer, Item>) -> Self {
        Self { client, list, request: Some(request), given: Vec::new(), repeated: 0 }
    }

    /// The items of the next page that the one before did not have: possibly none. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Item>>> {
        let Some(request) = self.request.take() else { return Ok(None) };
        let mut request = request?;
        let place = (self.list.place)(&mut request);
        let start = *place.get_or_insert(if self.list.counts_items { 0 } else { 1 });
        let page = (self.list.items)((self.list.send)(self.client, request.clone()).await?);
        if page.is_empty() {
            return Ok(None);
        }
        let step = if self.list.counts_items { i32::try_from(page.len()).unwrap_or(i32::MAX) } else { 1 };
        *(self.list.place)(&mut request) = Some(start.saturating_add(step));
        let most = self.given.len().max(page.len());
        let fresh: Vec<Item> = page.into_iter().filter(|item| !self.given.contains(&(self.list.id)(item))).collect();
        self.repeated = if fresh.is_empty() { self.repeated.saturating_add(1) } else { 0 };
        if self.repeated >= MOST_REPEATED {
            return Err(Error::UnexpectedAnswer { status: None, request_id: None });
        }
        self.given.extend(fresh.iter().map(self.list.id));
        self.given.drain(..self.given.len().saturating_sub(most));
        self.request = Some(Ok(request));
        Ok(Some(fresh))
    }

    /// Item by item; a page is asked for when the one before it is used up.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<Item>> + Send + 'a
    where
        Request: Send + 'a,
        Item: Send + 'a,
    {
        let start = (self, Vec::new().into_iter());
        stream::try_unfold(start, |(mut pages, mut waiting)| async move {
            loop {
                if let Some(item) = waiting.next() {
                    return Ok(Some((item, (pages, waiting))));
                }
                match pages.next().await? {
                    Some(page) => waiting = page.into_iter(),
                    None => return Ok(None),
                }
            }
        })
    }

    /// The same, for who waits.
    #[cfg(feature = "blocking")]
    pub(crate) fn iter(mut self) -> impl Iterator<Item = Result<Item>> + 'a
    where
        Request: Send + 'a,
        Item: Send + 'a,
    {
        let mut waiting = Vec::new().into_iter();
        std::iter::from_fn(move || {
            loop {
                if let Some(item) = waiting.next() {
                    return Some(Ok(item));
                }
                // None behind an error either, also one of a call that was not even begun.
                self.request.as_ref()?;
                match Call::new(Ok(&mut self), Self::next).wait() {
                    Ok(page) => waiting = page?.into_iter(),
                    Err(error) => {
                        self.request = None;
                        return Some(Err(error));
                    }
                }
            }
        })
    }
}

/// What a list that was put aside goes on with.
#[cfg(feature = "dynamic")]
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Cursor {
    place: Option<i32>,
    given: Vec<Option<String>>,
    repeated: u32,
}

#[cfg(feature = "dynamic")]
impl<Request, Answer, Item> Pages<'_, Request, Answer, Item> {
    /// Goes on where another one was put aside.
    pub(crate) fn resume(&mut self, cursor: Cursor) {
        if let Some(Ok(request)) = &mut self.request {
            *(self.list.place)(request) = cursor.place;
        }
        (self.given, self.repeated) = (cursor.given, cursor.repeated);
    }

    /// What another one goes on with, if there is more to come.
    pub(crate) fn put_aside(self) -> Option<Cursor> {
        let mut request = self.request?.ok()?;
        Some(Cursor { place: *(self.list.place)(&mut request), given: self.given, repeated: self.repeated })
    }
}
