//! Policies.

mod convert;
mod rows;
pub(crate) mod service;

use crate::app::App;
use crate::audit::Recorded;
use crate::caller::{AnyCaller, Found, Grant, Unread, action, lookup};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::policy;
use crate::store::{Change, Lock, Unit};
use keepward_api::{PolicyId, actions, params, types};
use std::sync::Arc;

pub(crate) async fn create(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Vault>,
    _: params::PolicyCreateParams,
    body: Unread<types::CreatePolicyRequest>,
) -> Result<Recorded<types::PolicyResponse>> {
    let grant = found.may::<action::ManageVault>()?;
    let now = found.now();
    let draft = convert::draft(body.read(&grant).await?, now)?;
    let made = app.committer.commit(Create { keyring: Arc::clone(&app.keyring), grant, draft }).await?;
    made.try_map(convert::response)
}

struct Create {
    keyring: Arc<Keyring>,
    grant: Grant<action::ManageVault>,
    draft: convert::Draft,
}

impl Change for Create {
    type Output = policy::Model;
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<policy::Model> {
        let (caller, vault) = self.grant.repeat(unit, &self.keyring).await?;
        if !rows::principal_exists(unit, &self.keyring, vault.org_id, self.draft.principal).await? {
            return Err(Error::field(
                "principal_id",
                "must be a user or agent of your organisation, as principal_type says",
            ));
        }
        let policy = service::insert(unit, &self.keyring, &vault, caller.actor(), &self.draft).await?;
        let event = caller.event(actions::POLICY_CREATE, ("policy", policy.id));
        unit.record(event.with("vault_id", vault.id).with("principal_id", policy.principal_id));
        Ok(policy)
    }
}

pub(crate) async fn list(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Vault>,
    _: params::PolicyListParams,
) -> Result<types::PolicyListResponse> {
    let grant = found.may::<action::ManageVault>()?;
    let vault = found.release(&grant)?;
    let policies = app.database.read(rows::of_vault(&app.database.readers(), &app.keyring, vault.id)).await?;
    Ok(types::PolicyListResponse { policies: policies.into_iter().map(convert::response).collect::<Result<_>>()? })
}

pub(crate) async fn update(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Vault>,
    params: params::PolicyUpdateParams,
    body: Unread<types::UpdatePolicyRequest>,
) -> Result<Recorded<types::PolicyResponse>> {
    let grant = found.may::<action::ManageVault>()?;
    let now = found.now();
    let changes = convert::changes(body.read(&grant).await?, now)?;
    let id = params.policy_id;
    let updated = app.committer.commit(Update { keyring: Arc::clone(&app.keyring), grant, id, changes }).await?;
    updated.try_map(convert::response)
}

struct Update {
    keyring: Arc<Keyring>,
    grant: Grant<action::ManageVault>,
    id: PolicyId,
    changes: convert::Changes,
}

impl Change for Update {
    type Output = policy::Model;
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<policy::Model> {
        let (caller, vault) = self.grant.repeat(unit, &self.keyring).await?;
        let mut policy = rows::locked(unit, &self.keyring, vault.id, self.id).await?;
        self.changes.apply(&mut policy);
        rows::update(unit, &self.keyring, policy.clone()).await?;
        let event = caller.event(actions::POLICY_UPDATE, ("policy", policy.id));
        unit.record(event.with("vault_id", vault.id).with("principal_id", policy.principal_id));
        Ok(policy)
    }
}

pub(crate) async fn delete(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Vault>,
    params: params::PolicyDeleteParams,
) -> Result<Recorded<()>> {
    let grant = found.may::<action::ManageVault>()?;
    app.committer.commit(Delete { keyring: Arc::clone(&app.keyring), grant, id: params.policy_id }).await
}

struct Delete {
    keyring: Arc<Keyring>,
    grant: Grant<action::ManageVault>,
    id: PolicyId,
}

impl Change for Delete {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let (caller, vault) = self.grant.repeat(unit, &self.keyring).await?;
        let policy = rows::locked(unit, &self.keyring, vault.id, self.id).await?;
        rows::delete(unit, policy.id).await?;
        let event = caller.event(actions::POLICY_DELETE, ("policy", policy.id));
        unit.record(event.with("vault_id", vault.id).with("principal_id", policy.principal_id));
        Ok(())
    }
}
