//! Making a user with their organisation; signup and `user add` both come here.

use super::rows;
use crate::caller::Role;
use crate::config;
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::{organisation, users};
use crate::store::{Actor, Change, Event, Lock, Outcome, SealedBytes, Unit};
use keepward_api::{Email, OrgId, UserId, actions};
use std::net::IpAddr;
use std::sync::Arc;

/// What can be said before anything is looked up.
pub(super) fn check_open(mode: config::Signup) -> Result<()> {
    match mode {
        config::Signup::Open | config::Signup::First => Ok(()),
        config::Signup::Invited | config::Signup::Closed => Err(closed()),
    }
}

fn closed() -> Error {
    Error::forbidden("Signing up is closed on this server; ask its operator.")
}

pub(super) struct Signup {
    pub(super) keyring: Arc<Keyring>,
    pub(super) mode: config::Signup,
    pub(super) email: Email,
    pub(super) display_name: String,
    pub(super) password_hash: SealedBytes,
    pub(super) address: IpAddr,
}

impl Change for Signup {
    type Output = users::Model;
    fn locks(&self) -> Vec<Lock> {
        let first = (self.mode == config::Signup::First).then(|| Lock::exclusive("signup", b"first"));
        first.into_iter().chain([super::service::lock(&self.email)]).collect()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<users::Model> {
        if self.mode == config::Signup::First && rows::has_users(unit.connection()).await? {
            return Err(closed());
        }
        if rows::email_is_taken(unit.connection(), self.email.as_str()).await? {
            return Err(Error::conflict("There is an account with this mail address already."));
        }
        let organisation = organisation::Model {
            id: crate::ids::new(),
            name: "Personal".to_owned(),
            is_active: true,
            created_at: unit.now().microseconds(),
            row_mac: Vec::new(),
        };
        let (org, name) = (OrgId(organisation.id), self.display_name.clone());
        let user = rows::new_user(org, &self.email, name, Role::Owner, self.password_hash.clone(), unit.now());
        rows::insert_organisation(unit, &self.keyring, organisation).await?;
        rows::insert_user(unit, &self.keyring, user.clone()).await?;
        let actor = Actor::User(UserId(user.id));
        unit.record(Event {
            chain: user.org_id,
            action: actions::AUTH_SIGNUP,
            actor,
            resource: Some(("user", user.id)),
            outcome: Outcome::Success,
            details: serde_json::Map::new(),
            address: Some(self.address),
        });
        Ok(user)
    }
}
