//! Whether the server and its keystore can work. Always 200: the state is in the answer.

use crate::app::App;
use crate::caller::Visitor;
use crate::error::Result;
use keepward_api::types::{HealthResponse, HealthStatus, HsmHealthResponse, HsmHealthStatus};

pub(crate) async fn get(app: &App, _: Visitor) -> Result<HealthResponse> {
    let works = app.committer.works() && !app.database.is_damaged() && app.database.answers().await;
    let status = if works { HealthStatus::Healthy } else { HealthStatus::Degraded };
    Ok(HealthResponse { status: Some(status.into()), version: Some(env!("CARGO_PKG_VERSION").to_owned()) })
}

pub(crate) async fn hsm(app: &App, _: Visitor) -> Result<HsmHealthResponse> {
    let status = match app.keyring.health().await {
        Ok(()) => HsmHealthStatus::Ok,
        Err(_) => HsmHealthStatus::Unavailable,
    };
    Ok(HsmHealthResponse { status: Some(status.into()) })
}
