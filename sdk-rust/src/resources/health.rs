use crate::{Client, Result, types};

/// State of server and keystore.
pub struct Health<'a>(pub(crate) &'a Client);

impl Health<'_> {
    /// Whether the server can work.
    pub async fn get(&self) -> Result<types::HealthResponse> {
        self.0.send(self.0.api().health_get().send()).await
    }

    /// Whether its keystore can.
    pub async fn hsm(&self) -> Result<types::HsmHealthResponse> {
        self.0.send(self.0.api().health_hsm().send()).await
    }
}
