//! dropshot carries HTTP here: one catch-all a method, whose handler takes the raw request, so that nothing of dropshot's
//! (no extractor, no error form) runs before the pipeline. What it answers by itself is listed in `docs/dropshot.md`.

use super::dispatch::dispatch;
use super::identity::Identity;
use crate::app::App;
use crate::error::{Error, Result};
use dropshot::{
    ApiDescription, ApiEndpoint, ApiEndpointBodyContentType, ApiEndpointParameter, ApiEndpointParameterLocation,
    ApiEndpointVersions, ConfigDropshot, ConfigTls, HandlerTaskMode, HttpError, HttpServer, Method, Path, RawRequest,
    RequestContext, ServerBuilder, SharedExtractor,
};
use std::net::SocketAddr;
use std::sync::Arc;

/// A server that listens.
pub struct Listening {
    server: HttpServer<Arc<App>>,
    identity: Option<Arc<Identity>>,
}

/// The wildcard of the catch-all, declared so that dropshot accepts the route; it is never extracted.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[expect(dead_code, reason = "read by its schema only")]
struct Rest {
    path: Vec<String>,
}

/// Binds, and answers requests until closed.
pub fn listen(app: Arc<App>) -> Result<Listening> {
    let mut api = ApiDescription::new();
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::PATCH,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    for method in methods {
        register(&mut api, method).map_err(|error| Error::internal(error.to_string()))?;
    }
    let config = ConfigDropshot {
        bind_address: app.config.listen,
        default_handler_task_mode: HandlerTaskMode::CancelOnDisconnect,
        ..ConfigDropshot::default()
    };
    let identity = app.config.tls.as_ref().map(Identity::load).transpose()?.map(Arc::new);
    let tls = identity.as_ref().map(Identity::server_config).transpose()?.map(ConfigTls::Dynamic);
    // Its own log lines hold whole URIs; ours are written by `dispatch`.
    let silent = slog::Logger::root(slog::Discard, slog::o!());
    let address = app.config.listen;
    let server = ServerBuilder::new(api, app, silent).config(config).tls(tls).start();
    let server = server.map_err(|error| Error::internal(format!("can't listen on {address}: {error}")))?;
    Ok(Listening { server, identity })
}

impl Listening {
    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// What it shows to those who connect by TLS.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.clone()
    }

    /// Stops accepting, and answers what is in flight.
    pub async fn close(self) -> Result<()> {
        self.server.close().await.map_err(Error::internal)
    }
}

fn register(
    api: &mut ApiDescription<Arc<App>>,
    method: Method,
) -> std::result::Result<(), dropshot::ApiDescriptionRegisterError> {
    // An operation of a safe method changes something by one unit of the committer at most.
    let is_safe = method.is_safe();
    let handler = move |context: RequestContext<Arc<App>>, raw: RawRequest| async move {
        let (peer, id) = (context.request.remote_addr().ip(), context.request_id.clone());
        let (head, body) = raw.into_inner().into_parts();
        if is_safe {
            // Ends with the connection: what nobody waits for is not worth the work.
            return Ok::<_, HttpError>(dispatch(context.context(), id, head, body, peer).await);
        }
        // A task of its own: a client that hangs up can't cancel between a change and its answer. The context that it holds
        // is what a server that closes waits for.
        let task = tokio::spawn(async move { dispatch(context.context(), id, head, body, peer).await });
        task.await.map_err(|error| {
            tracing::error!(%error, "a request ended before its answer");
            HttpError::for_internal_error(error.to_string())
        })
    };
    let name = format!("all_{}", method.as_str().to_lowercase());
    let mut endpoint =
        ApiEndpoint::new(name, handler, method, "application/json", "/{path:.*}", ApiEndpointVersions::All)
            .visible(false);
    for parameter in <Path<Rest> as SharedExtractor>::metadata(ApiEndpointBodyContentType::Json).parameters {
        let place = ApiEndpointParameterLocation::Path;
        endpoint.parameters.push(ApiEndpointParameter::new_named(
            &place,
            "path".to_owned(),
            None,
            true,
            parameter.schema,
            vec![],
        ));
    }
    api.register(endpoint)
}
