//! The tables `organisation`, `users` and `revoked_token`, as far as proving who somebody is needs them.

use crate::caller::Role;
use crate::error::Result;
use crate::seal::Keyring;
use crate::store::entity::{agent, organisation, revoked_token, users};
use crate::store::{SealedBytes, update_with_mac};
use crate::store::{Unit, insert, insert_with_mac, is_authentic};
use keepward_api::{AgentId, Email, OrgId, Timestamp};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

pub(super) async fn user_by_email(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    email: &str,
) -> Result<Option<users::Model>> {
    let user = users::Entity::find().filter(users::Column::Email.eq(email)).one(connection).await?;
    Ok(user.filter(|user| is_authentic(&keyring.sub_keys.row, user)))
}

pub(super) async fn email_is_taken(connection: &impl ConnectionTrait, email: &str) -> Result<bool> {
    let user = users::Entity::find().filter(users::Column::Email.eq(email)).one(connection).await?;
    Ok(user.is_some())
}

pub(super) async fn has_users(connection: &impl ConnectionTrait) -> Result<bool> {
    Ok(users::Entity::find().limit(1).one(connection).await?.is_some())
}

pub(super) async fn organisation_exists(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    org: OrgId,
) -> Result<bool> {
    let row = organisation::Entity::find_by_id(org.0).one(connection).await?;
    Ok(row.is_some_and(|row| is_authentic(&keyring.sub_keys.row, &row)))
}

/// A user who logs in with a password.
pub(super) fn new_user(
    org: OrgId,
    email: &Email,
    display_name: String,
    role: Role,
    password_hash: SealedBytes,
    now: Timestamp,
) -> users::Model {
    users::Model {
        id: crate::ids::new(),
        org_id: org.0,
        email: email.as_str().to_owned(),
        display_name,
        password_hash: Some(password_hash),
        auth_method: "password".to_owned(),
        role: role.word().to_owned(),
        email_verified: false,
        marketing_emails: false,
        totp_enabled: false,
        is_active: true,
        is_operator: false,
        generation: 1,
        created_at: now.microseconds(),
        row_mac: Vec::new(),
    }
}

pub(super) async fn update_user(unit: &Unit<'_>, keyring: &Keyring, user: users::Model) -> Result<()> {
    update_with_mac(unit.connection(), &keyring.sub_keys.row, user).await
}

pub(super) async fn insert_organisation(
    unit: &Unit<'_>,
    keyring: &Keyring,
    organisation: organisation::Model,
) -> Result<()> {
    insert_with_mac(unit.connection(), &keyring.sub_keys.row, organisation).await
}

pub(super) async fn insert_user(unit: &Unit<'_>, keyring: &Keyring, user: users::Model) -> Result<()> {
    insert_with_mac(unit.connection(), &keyring.sub_keys.row, user).await
}

/// How an agent proves itself, if there is one.
pub(super) async fn auth_method(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    id: AgentId,
) -> Result<Option<String>> {
    let agent = agent::Entity::find_by_id(id.0).one(connection).await?;
    Ok(agent.filter(|agent| is_authentic(&keyring.sub_keys.row, agent)).map(|agent| agent.auth_method))
}

/// Ends a token; a second time changes nothing.
pub(super) async fn revoke(unit: &Unit<'_>, jti: Uuid, expires_at: Timestamp) -> Result<()> {
    if revoked_token::Entity::find_by_id(jti).one(unit.connection()).await?.is_some() {
        return Ok(());
    }
    insert(unit.connection(), revoked_token::Model { jti, expires_at: expires_at.microseconds() }).await
}

/// Removes the revocations of tokens that have expired.
pub(super) async fn forget_expired(unit: &Unit<'_>) -> Result<()> {
    // A day later: another server's clock may be behind this one's.
    let expired = revoked_token::Column::ExpiresAt.lt(unit.now().plus_seconds(-86_400).microseconds());
    revoked_token::Entity::delete_many().filter(expired).exec(unit.connection()).await?;
    Ok(())
}
