//! Vaults.

mod convert;
mod rows;
pub(crate) mod service;

use crate::app::App;
use crate::audit::Recorded;
use crate::caller::{AnyCaller, Found, Grant, Unread, action, lookup};
use crate::error::{Error, Result};
use crate::seal::{Key, Keyring};
use crate::store::entity::vault;
use crate::store::{Change, Lock, Unit};
use keepward_api::{actions, params, types};
use std::sync::Arc;

pub(crate) async fn create(
    app: &App,
    caller: AnyCaller,
    body: Unread<types::CreateVaultRequest>,
) -> Result<Recorded<types::VaultResponse>> {
    let grant = caller.live().may::<action::CreateVault>()?;
    let draft = convert::draft(body.read(&grant).await?)?;
    let kek = app.keyring.create_kek().await?;
    let made = app.committer.commit(Create { keyring: Arc::clone(&app.keyring), grant, draft, kek }).await?;
    Ok(made.map(convert::response))
}

struct Create {
    keyring: Arc<Keyring>,
    grant: Grant<action::CreateVault>,
    draft: convert::Draft,
    kek: Key,
}

impl Change for Create {
    type Output = vault::Model;
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<vault::Model> {
        let (caller, ()) = self.grant.repeat(unit, &self.keyring).await?;
        let made = service::NewVault {
            org: caller.session().org,
            name: &self.draft.name,
            description: &self.draft.description,
            created_by: caller.actor(),
        };
        let vault = service::insert(unit, &self.keyring, &made, &self.kek).await?;
        if let AnyCaller::Agent(agent) = &caller
            && let Some(human) = agent.agent.created_by
        {
            crate::operations::policies::service::give_everything(unit, &self.keyring, &vault, &caller, human.into())
                .await?;
        }
        unit.record(caller.event(actions::VAULT_CREATE, ("vault", vault.id)));
        Ok(vault)
    }
}

pub(crate) async fn list(app: &App, caller: AnyCaller) -> Result<types::VaultListResponse> {
    let mut vaults = app
        .database
        .read(rows::visible(&app.database.readers(), &app.keyring, &caller.visible(), caller.session().now, None))
        .await?;
    // Last: clients take the first one for their default.
    vaults.sort_by_key(|vault| vault.name == service::AGENT_KEYS);
    Ok(types::VaultListResponse { vaults: vaults.into_iter().map(convert::response).collect() })
}

pub(crate) async fn get(
    _: &App,
    _: AnyCaller,
    found: Found<lookup::Vault>,
    _: params::VaultGetParams,
) -> Result<types::VaultResponse> {
    let grant = found.may::<action::SeeVault>()?;
    Ok(convert::response(found.release(&grant)?))
}

pub(crate) async fn delete(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Vault>,
    _: params::VaultDeleteParams,
) -> Result<Recorded<()>> {
    let grant = found.may::<action::ManageVault>()?;
    app.committer.commit(Delete { keyring: Arc::clone(&app.keyring), grant }).await
}

struct Delete {
    keyring: Arc<Keyring>,
    grant: Grant<action::ManageVault>,
}

impl Change for Delete {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let (caller, vault) = self.grant.repeat(unit, &self.keyring).await?;
        if vault.name == service::AGENT_KEYS {
            return Err(Error::conflict("The vault of the agents' keys can't be deleted."));
        }
        crate::operations::policies::service::delete_of_vault(unit, vault.id).await?;
        crate::operations::secrets::service::delete_of_vault(unit, vault.id).await?;
        rows::delete(unit, vault.id).await?;
        unit.record(caller.event(actions::VAULT_DELETE, ("vault", vault.id)));
        Ok(())
    }
}
