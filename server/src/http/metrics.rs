//! `/metrics`, on a listener of its own that the operator chooses: what it says is for whoever watches the server, not for
//! its clients.

use crate::error::{Error, Result};
use crate::metrics::METRICS;
use dropshot::{ApiDescription, Body, ConfigDropshot, HttpError, HttpServer, RequestContext, ServerBuilder, endpoint};
use http::{Response, header};
use std::net::SocketAddr;

#[endpoint { method = GET, path = "/metrics" }]
async fn metrics(_: RequestContext<()>) -> std::result::Result<Response<Body>, HttpError> {
    let failed = |error: String| HttpError::for_internal_error(error);
    let text = METRICS.text().map_err(|error| failed(error.to_string()))?;
    let answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(Body::from(text));
    answer.map_err(|error| failed(error.to_string()))
}

/// A listener that answers `/metrics`.
pub struct Watched(HttpServer<()>);

/// Binds, and answers until closed.
pub fn listen(address: SocketAddr) -> Result<Watched> {
    let mut api = ApiDescription::new();
    api.register(metrics).map_err(|error| Error::internal(error.to_string()))?;
    let config = ConfigDropshot { bind_address: address, ..ConfigDropshot::default() };
    let silent = slog::Logger::root(slog::Discard, slog::o!());
    let server = ServerBuilder::new(api, (), silent).config(config).start();
    server.map(Watched).map_err(|error| Error::internal(format!("can't listen for metrics on {address}: {error}")))
}

impl Watched {
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr()
    }

    pub async fn close(self) -> Result<()> {
        self.0.close().await.map_err(Error::internal)
    }
}
