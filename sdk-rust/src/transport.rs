//! What happens around every request of the generated client: the token before it, repetition where that is safe.

use crate::auth::{Credential, TokenCache};
use crate::generated::Client as Generated;
use http_body_util::Limited;
use progenitor_client::{ClientHooks, ClientInfo, Error as Raw, OperationInfo};
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Method, Request, Response, StatusCode};
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

impl ClientHooks<Arc<Transport>> for Generated {
    async fn pre<E>(&self, request: &mut Request, info: &OperationInfo) -> Result<(), Raw<E>> {
        let transport = self.inner();
        let Some(credential) = &transport.credential else { return Ok(()) };
        if keepward_api::PUBLIC.contains(&info.operation_id) {
            return Ok(());
        }
        // Fetching a token calls a public operation, so this goes one level deep; boxed, since the type would be infinite.
        let token = Box::pin(transport.tokens.token(self, credential)).await.map_err(retype)?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| Raw::Custom("a token must be ASCII without control characters".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    async fn exec(&self, request: Request, _: &OperationInfo) -> reqwest::Result<Response> {
        let transport = self.inner();
        let mut request = request;
        let mut tries = 0;
        loop {
            let again = if tries < transport.max_retries { request.try_clone() } else { None };
            let is_get = request.method() == Method::GET;
            let sent = request.headers().get(AUTHORIZATION).cloned();
            let outcome = self.client().execute(request).await.map(bounded);
            if let Ok(response) = &outcome
                && response.status() == StatusCode::UNAUTHORIZED
                && let Some(refused) = sent.as_ref().and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            {
                transport.tokens.forget(refused).await;
            }
            let (Some(again), Some(pause)) = (again, pause_before_retry(&outcome, is_get, tries)) else {
                return outcome;
            };
            tokio::time::sleep(pause).await;
            request = again;
            tries += 1;
        }
    }
}

/// Cuts off what no answer needs: a body without an end would fill the memory.
fn bounded(response: Response) -> Response {
    let response = http::Response::<Body>::from(response);
    response.map(|body| Body::wrap(Limited::new(body, MAX_ANSWER))).into()
}

/// How long to wait before the same request may go out again; `None` where it may not.
fn pause_before_retry(outcome: &reqwest::Result<Response>, is_get: bool, tries: u32) -> Option<Duration> {
    let backoff = FIRST_PAUSE.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE);
    match outcome {
        // Never left this machine: safe whatever it is.
        Err(error) if error.is_connect() => Some(jitter(backoff)),
        Err(_) if is_get => Some(jitter(backoff)),
        Ok(response) if is_get && matches!(response.status().as_u16(), 429 | 502 | 503 | 504) => {
            let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            match asked.map(Duration::from_secs) {
                Some(asked) if asked > LONGEST_RETRY_AFTER => None,
                Some(asked) => Some(asked + jitter(FIRST_PAUSE)),
                None => Some(jitter(backoff)),
            }
        }
        _ => None,
    }
}

/// Between half of a pause and all of it, so that clients which failed together do not come back together.
fn jitter(pause: Duration) -> Duration {
    let mut random = [0; 2];
    // Without randomness the pause is just not spread.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(0.5 + f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) / 2.0)
}

/// The error of the token's fetch is this request's.
fn retype<E>(error: Raw<()>) -> Raw<E> {
    match error {
        Raw::InvalidRequest(text) => Raw::InvalidRequest(text),
        Raw::CommunicationError(error) => Raw::CommunicationError(error),
        Raw::InvalidUpgrade(error) => Raw::InvalidUpgrade(error),
        Raw::ResponseBodyError(error) => Raw::ResponseBodyError(error),
        Raw::UnexpectedResponse(response) => Raw::UnexpectedResponse(response),
        Raw::Custom(text) => Raw::Custom(text),
        Raw::InvalidResponsePayload(body, error) => Raw::InvalidResponsePayload(body, error),
        // The document gives no operation an error of its own.
        Raw::ErrorResponse(_) => Raw::Custom("an answer that is not Keepward's".to_owned()),
    }
}
