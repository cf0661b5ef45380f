use crate::{Client, Result, types};

/// The signed-in human's own profile.
pub struct Account<'a>(pub(crate) &'a Client);

impl Account<'_> {
    /// The profile.
    pub async fn get(&self) -> Result<types::UserProfileResponse> {
        self.0.send(self.0.api().account_get().send()).await
    }
}
