//! What the server says about itself.

use crate::app::App;
use crate::caller::Visitor;
use crate::error::{Error, Result};
use keepward_api::types::OpenApiDocument;

pub(crate) async fn openapi(_: &App, _: Visitor) -> Result<OpenApiDocument> {
    serde_json::from_str(keepward_api::DOCUMENT).map_err(Error::internal)
}
