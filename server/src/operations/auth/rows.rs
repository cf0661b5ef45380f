//! The tables `organisation`, `users` and `revoked_token`, as far as proving who somebody is needs them.

use crate::caller::Role;
use crate::error::Result;
use crate::seal::Keyring;
use crate::store::entity::{meta, organisation, revoked_token, users};
use crate::store::{
    SealedBytes, Unit, expect_rows, insert, insert_with_mac, is_authentic, update_with_mac, upsert_statement,
};
use keepward_api::{Email, OrgId, Timestamp};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use std::time::Duration;
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

/// Ends a token; a second time changes nothing.
pub(super) async fn revoke(unit: &Unit<'_>, jti: Uuid, expires_at: Timestamp) -> Result<()> {
    if revoked_token::Entity::find_by_id(jti).one(unit.connection()).await?.is_some() {
        return Ok(());
    }
    insert(unit.connection(), revoked_token::Model { jti, expires_at: expires_at.microseconds() }).await
}

/// The row of the mark below: microseconds since 1970, big-endian.
const TIME_MARK: &str = "time-mark";
/// How long after its end a token's revocation is kept: another server's clock may be behind this one's.
const MARGIN_SECONDS: i64 = 86_400;

/// Removes the revocations of tokens that have ended by the clock and by the mark. The mark follows the clock no faster than
/// `passed`, the time that went by on a clock that nobody sets: one that jumps ahead and back forgets nothing.
pub(super) async fn forget_expired(unit: &Unit<'_>, passed: Duration) -> Result<()> {
    let now = unit.now().microseconds();
    let row = meta::Entity::find_by_id(TIME_MARK.to_owned()).one(unit.connection()).await?;
    let mark = row.and_then(|row| Some(i64::from_be_bytes(row.value.as_slice().try_into().ok()?)));
    let passed = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
    // Never back, and at first where the clock is.
    let mark = mark.map_or(now, |mark| mark.saturating_add(passed).min(now).max(mark));
    let value = mark.to_be_bytes().to_vec();
    let row = upsert_statement(
        unit.connection().get_database_backend(),
        &[meta::Model { name: TIME_MARK.to_owned(), value }],
    );
    expect_rows(unit.connection().execute_raw(row).await?.rows_affected(), 1)?;
    let end = Timestamp::from_microseconds(mark.min(now)).plus_seconds(-MARGIN_SECONDS);
    let expired = revoked_token::Column::ExpiresAt.lt(end.microseconds());
    revoked_token::Entity::delete_many().filter(expired).exec(unit.connection()).await?;
    Ok(())
}
