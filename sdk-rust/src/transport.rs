//! What happens around every request of the generated client: the token before it, repetition where that is safe.

use crate::auth::{Credential, TokenCache};
use crate::error::{Error, Result, convert, header, retry_after};
use crate::generated::Client as Generated;
use http_body_util::{LengthLimitError, Limited};
use progenitor_client::{ClientHooks, ClientInfo, Error as Raw, OperationInfo, ResponseValue};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Body, Method, Request, Response, StatusCode};
use std::cell::RefCell;
use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// State that clones of a client share.
#[derive(Debug, Default)]
pub struct Transport {
    pub(crate) credential: Option<Credential>,
    pub(crate) tokens: TokenCache,
    pub(crate) max_retries: u32,
}

/// The first pause between two tries; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Longest answer that is read: a list of a hundred thousand secrets has some 30 MB.
const MAX_ANSWER: usize = 256 * 1024 * 1024;
/// Longer than this a caller would rather know.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// What one call leaves behind that the generated client has no room for.
#[derive(Default)]
struct Kept {
    /// Why there was no token, at first or in place of a refused one.
    failure: Option<Error>,
    /// Status and request id of the last answer.
    answered: Option<(u16, Option<String>)>,
}

tokio::task_local! {
    static KEPT: RefCell<Kept>;
}

/// Sends a call of the generated client and answers its body, or this crate's error.
pub(crate) async fn send<T>(call: impl Future<Output = Result<ResponseValue<T>, Raw<()>>>) -> Result<T> {
    let kept = async {
        let outcome = call.await;
        (outcome, KEPT.with(RefCell::take))
    };
    let (outcome, kept) = KEPT.scope(RefCell::default(), kept).await;
    match (outcome, kept.failure) {
        (Ok(answer), _) => Ok(answer.into_inner()),
        (Err(_), Some(failure)) => Err(failure),
        (Err(error), None) => Err(convert(error, kept.answered).await),
    }
}

impl Transport {
    /// Gives a request its token.
    async fn authorize(&self, client: &Generated, request: &mut Request) -> Result<()> {
        let Some(credential) = &self.credential else { return Ok(()) };
        // Fetching a token calls a public operation, so this goes one level deep; boxed, since the type would be infinite.
        let token = Box::pin(self.tokens.token(client, credential)).await?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| Error::Configuration("a token must be ASCII without control characters".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }
}

impl ClientHooks<Arc<Transport>> for Generated {
    async fn pre<E>(&self, request: &mut Request, info: &OperationInfo) -> Result<(), Raw<E>> {
        let _ = KEPT.try_with(RefCell::take);
        // Some are keys: none of them shows in a log of headers, or stays in a table of HTTP/2.
        request.headers_mut().values_mut().for_each(|value| value.set_sensitive(true));
        if keepward_api::WILD.contains(&info.operation_id) {
            // Slashes as they are: some proxies refuse encoded ones. What stands before is the base URL's.
            let path = request.url().path().to_owned();
            let (base, own) = path.split_at(path.rfind("/v1/").unwrap_or(0));
            request.url_mut().set_path(&format!("{base}{}", own.replace("%2F", "/")));
        }
        if keepward_api::PUBLIC.contains(&info.operation_id) {
            return Ok(());
        }
        self.inner().authorize(self, request).await.map_err(|error| {
            let text = error.to_string();
            // Outside of `send` there is nobody to take it: the text has to do.
            let _ = KEPT.try_with(|kept| kept.borrow_mut().failure = Some(error));
            Raw::Custom(text)
        })
    }

    async fn exec(&self, request: Request, info: &OperationInfo) -> reqwest::Result<Response> {
        let transport = self.inner();
        let mut request = request;
        let (mut tries, mut has_new_token) = (0, matches!(transport.credential, None | Some(Credential::Token(_))));
        loop {
            let again = request.try_clone();
            let safety = Safety::of(info.operation_id, request.method());
            let sent = request.headers().get(AUTHORIZATION).cloned();
            let outcome = self.client().execute(request).await.map(bounded);
            // One that may be repeated is whole before it counts.
            let outcome = match outcome {
                Ok(response) if safety == Safety::Always && response.status().is_success() => whole(response).await,
                other => other,
            };
            let answer = outcome.as_ref().ok().map(|answer| (answer.status().as_u16(), header(answer, "x-request-id")));
            let _ = KEPT.try_with(|kept| kept.borrow_mut().answered = answer);
            let Some(mut again) = again else { return outcome };
            if let Ok(response) = &outcome
                && response.status() == StatusCode::UNAUTHORIZED
                && let Some(refused) = sent.as_ref().and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            {
                transport.tokens.forget(refused).await;
                // Whoever comes with another token was not heard yet, whatever they ask for.
                if has_new_token {
                    return outcome;
                }
                if let Err(error) = transport.authorize(self, &mut again).await {
                    // That there is no other token now says more than that the old one is not good any more.
                    let _ = KEPT.try_with(|kept| kept.borrow_mut().failure = Some(error));
                    return outcome;
                }
                has_new_token = true;
                request = again;
                continue;
            }
            let pause = if tries < transport.max_retries { pause_before_retry(&outcome, safety, tries) } else { None };
            let Some(pause) = pause else { return outcome };
            tokio::time::sleep(pause).await;
            request = again;
            tries += 1;
        }
    }
}

/// When a request may go out again although somebody may have acted on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Safety {
    /// It changes nothing, or what it makes is not missed: another token.
    Always,
    /// It changes something, or its answer may be one of few that are left, spent even if nobody gets it: only where it was
    /// surely refused. A 503 is no such word: the server says it, too, where it does not know what became of a commit.
    Refused,
}

impl Safety {
    fn of(operation: &str, method: &Method) -> Self {
        let is_free = method == Method::GET && !keepward_api::COUNTED.contains(&operation);
        if is_free || keepward_api::REPEATED.contains(&operation) { Self::Always } else { Self::Refused }
    }
}

/// Cuts off what no answer needs: a body without an end would fill the memory.
fn bounded(response: Response) -> Response {
    let response = http::Response::<Body>::from(response);
    response.map(|body| Body::wrap(Limited::new(body, MAX_ANSWER))).into()
}

/// An answer with all of its body.
async fn whole(response: Response) -> reqwest::Result<Response> {
    let (head, body) = http::Response::<Body>::from(response).into_parts();
    let body = Response::from(http::Response::new(body)).bytes().await?;
    Ok(http::Response::from_parts(head, Body::from(body)).into())
}

fn is_too_long(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// How long to wait before the same request may go out again; `None` where it may not.
fn pause_before_retry(outcome: &reqwest::Result<Response>, safety: Safety, tries: u32) -> Option<Duration> {
    let backoff = FIRST_PAUSE.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE);
    match outcome {
        // Never left this machine: safe whatever it is.
        Err(error) if error.is_connect() => Some(jitter(backoff)),
        // Whoever answers without an end would do so again.
        Err(error) if safety == Safety::Always && !is_too_long(error) => Some(jitter(backoff)),
        Ok(response) => {
            let may = match response.status().as_u16() {
                429 => true,
                502..=504 => safety == Safety::Always,
                _ => false,
            };
            match retry_after(response) {
                _ if !may => None,
                Some(asked) if asked > LONGEST_RETRY_AFTER => None,
                Some(asked) => Some(asked + jitter(FIRST_PAUSE)),
                None => Some(jitter(backoff)),
            }
        }
        Err(_) => None,
    }
}

/// Between half of a pause and all of it, so that clients which failed together do not come back together.
fn jitter(pause: Duration) -> Duration {
    let mut random = [0; 2];
    // Without randomness the pause is just not spread.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(0.5 + f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn no_header_shows() {
        let client = crate::Client::builder().base_url("http://127.0.0.1:1").build().unwrap();
        let client = client.api();
        let request = client.client().get("http://127.0.0.1:1/v1/health").header("x-cmek-old-key", "hunter2");
        let mut request = request.build().unwrap();
        let info = OperationInfo { operation_id: "health_get" };
        assert!(client.pre::<()>(&mut request, &info).now_or_never().unwrap().is_ok());
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
