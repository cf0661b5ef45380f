//! What the server's host may do with users; no request reaches this.

use super::rows;
use crate::app::App;
use crate::caller::{Role, check_rule};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::users;
use crate::store::{Actor, Change, Event, Lock, Outcome, SERVER_CHAIN, SealedBytes, Unit};
use keepward_api::{Email, OrgId, SecretText, UserId, actions};
use std::sync::Arc;
use std::time::Duration;

/// A member for an organisation that is there.
pub async fn add_user(app: &App, email: Email, org: OrgId, role: Role, password: SecretText) -> Result<UserId> {
    check_rule(password.expose())?;
    let password_hash = app.passwords.hash(password).await?;
    let added =
        app.committer.commit(AddUser { keyring: Arc::clone(&app.keyring), email, org, role, password_hash }).await?;
    Ok(added.into_inner())
}

struct AddUser {
    keyring: Arc<Keyring>,
    email: Email,
    org: OrgId,
    role: Role,
    password_hash: SealedBytes,
}

impl Change for AddUser {
    type Output = UserId;
    fn locks(&self) -> Vec<Lock> {
        vec![lock(&self.email)]
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<UserId> {
        if !rows::organisation_exists(unit.connection(), &self.keyring, self.org).await? {
            return Err(Error::NotFound { what: "organisation" });
        }
        if rows::email_is_taken(unit.connection(), self.email.as_str()).await? {
            return Err(Error::conflict("There is an account with this mail address already."));
        }
        let user =
            rows::new_user(self.org, &self.email, String::new(), self.role, self.password_hash.clone(), unit.now());
        let id = UserId(user.id);
        rows::insert_user(unit, &self.keyring, user).await?;
        unit.record(by_host(self.org.0, actions::AUTH_SIGNUP, id));
        Ok(id)
    }
}

/// An address is taken once.
pub(super) fn lock(email: &Email) -> Lock {
    Lock::exclusive("email", email.as_str().as_bytes())
}

/// A token that has expired needs no revocation; the minute's job removes it.
pub(crate) struct ForgetExpired {
    /// Since it ran last, or the process began, on the monotonic clock.
    pub(crate) passed: Duration,
}

impl Change for ForgetExpired {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        Vec::new()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        rows::forget_expired(unit, self.passed).await
    }
}

/// Makes a user an operator of the server.
pub async fn grant_operator(app: &App, email: Email) -> Result<UserId> {
    let granted = app.committer.commit(GrantOperator { keyring: Arc::clone(&app.keyring), email }).await?;
    Ok(granted.into_inner())
}

struct GrantOperator {
    keyring: Arc<Keyring>,
    email: Email,
}

impl Change for GrantOperator {
    type Output = UserId;
    fn locks(&self) -> Vec<Lock> {
        vec![lock(&self.email)]
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<UserId> {
        let user = rows::user_by_email(unit.connection(), &self.keyring, self.email.as_str()).await?;
        let user = user.ok_or(Error::NotFound { what: "user" })?;
        let id = UserId(user.id);
        rows::update_user(unit, &self.keyring, users::Model { is_operator: true, ..user }).await?;
        unit.record(by_host(SERVER_CHAIN, "operator.grant", id));
        Ok(id)
    }
}

fn by_host(chain: uuid::Uuid, action: &'static str, user: UserId) -> Event {
    let resource = Some(("user", user.0));
    Event {
        chain,
        action,
        actor: Actor::System,
        resource,
        outcome: Outcome::Success,
        details: serde_json::Map::new(),
        address: None,
    }
}
