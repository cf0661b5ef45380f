//! The signed-in human's own profile.

use crate::app::App;
use crate::caller::UserCaller;
use crate::error::Result;
use keepward_api::{OrgId, Timestamp, UserId, types::UserProfileResponse};

/// The row is the caller's own: proving them has loaded it.
pub(crate) async fn get(_: &App, caller: UserCaller) -> Result<UserProfileResponse> {
    let user = caller.user;
    Ok(UserProfileResponse {
        id: Some(UserId(user.id)),
        org_id: Some(OrgId(user.org_id)),
        email: Some(user.email),
        display_name: Some(user.display_name),
        auth_method: Some(user.auth_method),
        role: Some(user.role),
        email_verified: Some(user.email_verified),
        marketing_emails: Some(user.marketing_emails),
        totp_enabled: Some(user.totp_enabled),
        created_at: Some(Timestamp::from_microseconds(user.created_at)),
    })
}
