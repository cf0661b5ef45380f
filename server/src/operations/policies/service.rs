//! What other slices do with policies.

use super::convert::Draft;
use super::rows;
use crate::caller::AnyCaller;
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::{policy, vault};
use crate::store::{Actor, Unit};
use keepward_api::{UserId, actions};
use uuid::Uuid;

/// Every bit of `Permission`.
const EVERYTHING: i64 = 7;

pub(crate) async fn insert(
    unit: &Unit<'_>,
    keyring: &Keyring,
    vault: &vault::Model,
    by: Actor,
    draft: &Draft,
) -> Result<policy::Model> {
    let policy = policy::Model {
        id: crate::ids::new(),
        org_id: vault.org_id,
        vault_id: vault.id,
        pattern: draft.pattern.as_str().to_owned(),
        literal_prefix: draft.pattern.literal_prefix().to_owned(),
        principal_type: draft.principal.kind().to_owned(),
        principal_id: draft.principal.id().unwrap_or_default(),
        permissions: draft.permissions,
        conditions: draft.conditions.clone(),
        expires_at: draft.expires_at,
        created_by: by.id().unwrap_or_default(),
        created_by_type: by.kind().to_owned(),
        created_at: unit.now().microseconds(),
        row_mac: Vec::new(),
    };
    rows::insert(unit, keyring, policy.clone()).await?;
    Ok(policy)
}

/// A full policy in a vault that an agent made, for the human who registered it.
pub(crate) async fn give_everything(
    unit: &mut Unit<'_>,
    keyring: &Keyring,
    vault: &vault::Model,
    caller: &AnyCaller,
    human: UserId,
) -> Result<()> {
    let draft = Draft {
        pattern: "**".parse().map_err(Error::internal)?,
        principal: Actor::User(human),
        permissions: EVERYTHING,
        conditions: "{}".to_owned(),
        expires_at: None,
    };
    let policy = insert(unit, keyring, vault, caller.actor(), &draft).await?;
    let event = caller.event(actions::POLICY_CREATE, ("policy", policy.id));
    unit.record(event.with("vault_id", vault.id).with("principal_id", policy.principal_id));
    Ok(())
}

/// Removes every policy of a vault that is being deleted.
pub(crate) async fn delete_of_vault(unit: &Unit<'_>, vault: Uuid) -> Result<()> {
    rows::delete_of_vault(unit, vault).await
}
