//! A bare dropshot route, for `cargo xtask bench`: what HTTP alone costs on the machine of the run.

#![allow(clippy::print_stderr, clippy::expect_used, reason = "a benchmark's other half")]

use dropshot::{ApiDescription, ConfigDropshot, HttpError, HttpResponseOk, RequestContext, ServerBuilder, endpoint};

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Answer {
    ok: bool,
}

#[endpoint { method = GET, path = "/bare" }]
async fn bare(_: RequestContext<()>) -> Result<HttpResponseOk<Answer>, HttpError> {
    Ok(HttpResponseOk(Answer { ok: true }))
}

#[tokio::main]
async fn main() {
    let mut api = ApiDescription::new();
    api.register(bare).expect("a route");
    let silent = slog::Logger::root(slog::Discard, slog::o!());
    let config =
        ConfigDropshot { bind_address: "127.0.0.1:0".parse().expect("an address"), ..ConfigDropshot::default() };
    let server = ServerBuilder::new(api, (), silent).config(config).start().expect("a server");
    eprintln!("{{\"address\":\"{}\"}}", server.local_addr());
    server.await.expect("a server");
}
