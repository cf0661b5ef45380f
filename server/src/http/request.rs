//! A request on its way in: typed parts are pulled out of it by generated code, the body last and by a grant only.

use super::body_memory::{BodyMemory, Room};
use super::json;
use super::pipeline::OperationMeta;
use crate::app::App;
use crate::caller::Unread;
use crate::error::{Error, Result};
use crate::store::Actor;
use bytes::Bytes;
use dropshot::Body;
use http::{HeaderMap, Method, Uri, header};
use http_body_util::BodyExt;
use keepward_api::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// The longest that a body may take to arrive, and the longest pause within it.
const BODY_TIME: Duration = Duration::from_secs(30);
const BODY_PAUSE: Duration = Duration::from_secs(10);
/// How long whoever has read a body waits for a place again.
const PLACE_TIME: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read and thrown away, and for how long, so that the answer can be read.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Who was admitted, and for what: what a refusal's event says.
pub(crate) struct Admitted {
    pub(super) org: Uuid,
    pub(super) actor: Actor,
    pub(super) resource: Option<(&'static str, Uuid, Map<String, Value>)>,
}

/// The request.
pub(crate) struct Incoming {
    pub(super) id: String,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// The variables of its path in order, undecoded.
    variables: Vec<String>,
    /// Taken by whoever reads it; what nobody took is thrown away before the answer.
    body: Arc<Mutex<Option<Body>>>,
    pub(super) address: IpAddr,
    pub(super) now: Timestamp,
    pub(super) admitted: Option<Admitted>,
    body_memory: Arc<BodyMemory>,
    /// Room for the body, until the answer is made.
    room: Arc<Mutex<Option<Room>>>,
    /// The place among those in work; given up while a body is waited for.
    place: Arc<Place>,
}

/// A request's place among those in work. Whoever waits for a client's bytes holds none, so that idle bodies don't keep
/// others out.
pub(super) struct Place {
    all: Arc<Semaphore>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    /// Takes one, or says that the server is full.
    pub(super) fn take(all: &Arc<Semaphore>) -> Result<Self> {
        let held = Arc::clone(all).try_acquire_owned().map_err(|_| Error::Unavailable { cause: None })?;
        Ok(Self { all: Arc::clone(all), held: Mutex::new(Some(held)) })
    }

    /// None is needed: the answer costs next to nothing and must always come.
    pub(super) fn none(all: &Arc<Semaphore>) -> Self {
        Self { all: Arc::clone(all), held: Mutex::new(None) }
    }

    fn leave(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn come_back(&self) -> Result<()> {
        let place = tokio::time::timeout(PLACE_TIME, Arc::clone(&self.all).acquire_owned()).await;
        let place = place.map_err(|_| Error::Unavailable { cause: None })?.map_err(Error::internal)?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        Ok(())
    }
}

impl Incoming {
    pub(super) fn new(
        app: &App,
        id: String,
        head: http::request::Parts,
        variables: Vec<String>,
        body: Body,
        address: IpAddr,
        place: Place,
    ) -> Self {
        Self {
            id,
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            variables,
            body: Arc::new(Mutex::new(Some(body))),
            address,
            now: Timestamp::now(),
            admitted: None,
            body_memory: Arc::clone(&app.body_memory),
            room: Arc::default(),
            place: Arc::new(place),
        }
    }

    /// The path variable at a position: decoded once, then parsed.
    pub(crate) fn path<T: FromStr<Err: Display>>(&self, name: &str, position: usize) -> Result<T> {
        let raw = self.variables.get(position).ok_or_else(|| Error::internal("a path without its variable"))?;
        let decoded = percent_encoding::percent_decode_str(raw).decode_utf8();
        let decoded = decoded.map_err(|_| Error::field(name, "must be UTF-8"))?;
        decoded.parse().map_err(|rule: T::Err| Error::field(name, rule.to_string()))
    }

    /// A query parameter; given twice is 400.
    pub(crate) fn query_optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>> {
        let query = self.uri.query().unwrap_or_default();
        let mut values =
            form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.parse().map(Some).map_err(|rule: T::Err| {
                // What the standard library says of a number that is none.
                let rule = rule.to_string();
                let is_number = ["digit", "integer", "number too"].iter().any(|word| rule.contains(word));
                Error::field(name, if is_number { "must be a whole number within its bounds".to_owned() } else { rule })
            }),
            (Some(_), Some(_)) => Err(Error::field(name, "must be given once")),
        }
    }

    #[expect(dead_code, reason = "the operations with a header of their own are planned")]
    /// A header that an operation declares; given twice is 400.
    pub(crate) fn header_optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>> {
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Error::field(name, "must be given once"));
        }
        let text = value.to_str().map_err(|_| Error::field(name, "must be ASCII"))?;
        text.parse().map(Some).map_err(|rule: T::Err| Error::field(name, rule.to_string()))
    }

    /// The JSON body, not read yet.
    pub(crate) fn json_body<T: DeserializeOwned + 'static>(&mut self, meta: &'static OperationMeta) -> Unread<T> {
        let reading = self.reading(meta);
        Unread::new(async move {
            let body = reading.await?;
            parse(body.as_deref().ok_or_else(|| Error::invalid("This operation needs a JSON body."))?, meta)
        })
    }

    /// Reads away a body that nobody wanted: closed with it half sent, a client would see a reset and not the answer.
    pub(super) async fn discard_body(&self) {
        if let Some(body) = take(&self.body) {
            self.place.leave();
            drain(body).await;
        }
    }

    /// The body as bytes; `None` where it is empty.
    fn reading(
        &mut self,
        meta: &'static OperationMeta,
    ) -> impl Future<Output = Result<Option<Bytes>>> + Send + 'static {
        let (body, place) = (Arc::clone(&self.body), Arc::clone(&self.place));
        let (mut taken, room) = (Room::new(&self.body_memory, self.address), Arc::clone(&self.room));
        let length = self.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let kind = self.headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default().to_owned());
        async move {
            let Some(body) = take(&body) else { return Ok(None) };
            let limit = meta.max_body;
            place.leave();
            if length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
                drain(body).await;
                return Err(Error::TooLarge { limit });
            }
            let bytes = collect(body, limit, &mut taken).await?;
            *room.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
            place.come_back().await?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let media = kind.as_deref().and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
            if !media.eq_ignore_ascii_case("application/json") {
                return Err(Error::WrongMediaType);
            }
            Ok(Some(bytes))
        }
    }
}

fn take(body: &Mutex<Option<Body>>) -> Option<Body> {
    body.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Reads a body of up to `limit` bytes within its time; what comes beyond is thrown away. Room among all bodies is taken
/// as bytes arrive.
async fn collect(mut body: Body, limit: usize, room: &mut Room) -> Result<Bytes> {
    let slow = || Error::invalid("The body did not arrive in time.");
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(frame) = tokio::time::timeout(BODY_PAUSE, body.frame()).await.map_err(|_| slow())? {
            let frame = frame.map_err(|_| Error::invalid("The body ended before its length."))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limit {
                return Ok::<_, Error>(Err(Error::TooLarge { limit }));
            }
            if !room.grow(data.len()) {
                return Ok(Err(Error::Unavailable { cause: None }));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Ok(bytes))
    };
    match tokio::time::timeout(BODY_TIME, reading).await.map_err(|_| slow())?? {
        Ok(bytes) => Ok(bytes.into()),
        Err(too_much) => {
            drain(body).await;
            Err(too_much)
        }
    }
}

/// Reads a body away, within bounds of size and time.
pub(super) async fn drain(mut body: Body) {
    let reading = async {
        let mut rest = DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            rest = rest.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if rest == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}

/// Parses JSON; the error names the member and what was expected, and never repeats what was sent.
fn parse<T: DeserializeOwned>(body: &[u8], meta: &OperationMeta) -> Result<T> {
    // serde would pass over what is not UTF-8 where it ignores it, and take a list for an object's members in their order.
    let body = std::str::from_utf8(body).map_err(|_| Error::invalid("The body is not UTF-8."))?;
    json::check(body).map_err(|what| Error::invalid(format!("The body is not valid JSON: {what}.")))?;
    if !body.trim_start().starts_with('{') {
        return Err(Error::invalid("The body must be a JSON object."));
    }
    let body = known_fields(body, meta)?;
    let mut deserializer = serde_json::Deserializer::from_str(&body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            let path = if path == "." { field.to_owned() } else { format!("{path}.{field}") };
            return Error::field(&path, "must be given");
        }
        let rule = rule(&message);
        if path == "." { Error::invalid(format!("The body {rule}.")) } else { Error::field(&path, rule) }
    })
}

/// The body with each field under its own name; refuses fields that would limit something here and don't. Empty values limit
/// nothing: clients send them.
fn known_fields<'a>(body: &'a str, meta: &OperationMeta) -> Result<Cow<'a, str>> {
    let names = meta.aliases.iter().map(|(name, _)| name).chain(meta.refuses.iter().map(|(name, _)| name));
    // A name may be written with escapes.
    let may_hold = |name: &&str| body.contains(*name) || body.contains("\\u");
    if !names.into_iter().any(may_hold) {
        return Ok(Cow::Borrowed(body));
    }
    let mut members: Map<String, Value> = serde_json::from_str(body).map_err(Error::internal)?;
    for (name, words) in meta.refuses {
        let limits = |value: &Value| !is_empty(value) && !value.as_str().is_some_and(|text| words.contains(&text));
        if members.get(*name).is_some_and(limits) {
            return Err(Error::field(name, "must be left out: this version does not have that limit"));
        }
    }
    for (alias, name) in meta.aliases {
        let Some(value) = members.remove(*alias) else { continue };
        match members.get(*name) {
            Some(other) if !other.is_null() && !value.is_null() && *other != value => {
                return Err(Error::field(alias, format!("must be the same as `{name}`, of which it is another name")));
            }
            Some(other) if !other.is_null() => {}
            _ => drop(members.insert((*name).to_owned(), value)),
        }
    }
    Ok(Cow::Owned(Value::Object(members).to_string()))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// serde quotes what it was given before it says what it expected; only the second part is ours to show.
fn rule(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    match message.rsplit_once(", expected ") {
        Some((_, "i32" | "u32" | "i64" | "u64")) => "must be a whole number within its bounds".to_owned(),
        Some((_, "a sequence")) => "must be a list".to_owned(),
        Some((_, expected)) => format!("must be {expected}"),
        // Of our own types.
        None if message.starts_with("must ") => message.to_owned(),
        None if message.starts_with("UUID") => "must be a UUID".to_owned(),
        None => "must be an allowed value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::generated::layer;
    use keepward_api::types;

    #[test]
    fn errors_of_a_body_name_the_member_and_repeat_nothing() {
        for (body, says) in [
            (r#"{"value": 5}"#, "`value`: must be"),
            (r#"{"value": "x", "type": "hunter2"}"#, "`type`: must be one of"),
            (r#"{"value": "x", "max_access_count": "hunter2"}"#, "`max_access_count`: must be a whole number"),
            (r#"{"value": "x", "max_access_count": 99999999999}"#, "`max_access_count`: must be a whole number"),
            (r#"{"type": "generic"}"#, "`value`: must be given"),
            (r#"{"value": "hunter2", "value": "hunter2"}"#, "stands twice"),
            (r#"{"value": "hunter2"} x"#, "not valid JSON"),
            (r#"{"value": "\ud800"}"#, "not valid JSON"),
            (r#"["hunter2"]"#, "The body"),
            (r#"{"value": "x", "expires_at": "hunter2"}"#, "`expires_at`: must be an RFC 3339 time"),
        ] {
            let error = parse::<types::PutSecretRequest>(body.as_bytes(), &layer::SECRET_PUT).unwrap_err().to_string();
            assert!(error.contains(says), "{body}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let deep = format!("{}{}", r#"{"value":"x","metadata":{"a":"#, "[".repeat(10_000));
        assert!(parse::<types::PutSecretRequest>(deep.as_bytes(), &layer::SECRET_PUT).is_err());
    }
}
