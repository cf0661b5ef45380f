//! Agents: the organisation's machine principals.

mod convert;
mod keys;
mod rows;

use crate::app::App;
use crate::audit::Recorded;
use crate::caller::{
    AgentCaller, AnyCaller, Found, Grant, KeyKind, NewKey, Unread, UserCaller, action, lookup, new_key,
};
use crate::error::{Error, Result};
use crate::operations::{secrets, vaults};
use crate::seal::{Keyring, PreparedDek};
use crate::store::entity::{agent, vault};
use crate::store::{Change, Lock, Unit};
use keepward_api::{actions, params, types};
use std::sync::Arc;

/// Registering an agent makes its row, its two key pairs and, with the organisation's first agent, the vault that holds
/// their private halves. The API key is in this answer and nowhere else.
pub(crate) async fn register(
    app: &App,
    caller: UserCaller,
    body: Unread<types::CreateAgentRequest>,
) -> Result<Recorded<types::AgentCreatedResponse>> {
    let grant = caller.live().may::<action::Extend>()?;
    let draft = convert::draft(body.read(&grant).await?, caller.session.now)?;
    vaults::service::check_ids(&app.database, caller.session.org, &draft.vault_ids).await?;
    let vault = agent_keys_vault(app, &caller).await?;
    let pairs = keys::generate()?;
    let kek = vaults::service::kek(&vault);
    let deks = [app.keyring.prepare_dek(&kek).await?, app.keyring.prepare_dek(&kek).await?];
    let key = match draft.auth_method {
        types::AuthMethod::ApiKey => Some(new_key(KeyKind::Agent, &app.keyring.sub_keys)?),
        _ => None,
    };
    let text = key.as_ref().map(|key| key.text.clone());
    let register = Register { keyring: Arc::clone(&app.keyring), grant, draft, vault, pairs, deks, key };
    let made = app.committer.commit(register).await?;
    made.try_map(|row| Ok(types::AgentCreatedResponse { agent: convert::response(row)?, api_key: text }))
}

async fn agent_keys_vault(app: &App, caller: &UserCaller) -> Result<vault::Model> {
    let org = caller.session.org;
    if let Some(vault) =
        app.database.read(vaults::service::agent_keys(&app.database.readers(), &app.keyring, org)).await?
    {
        return Ok(vault);
    }
    let owner = app.database.read(rows::first_owner(&app.database.readers(), &app.keyring, org)).await?;
    let kek = app.keyring.create_kek().await?;
    let keyring = Arc::clone(&app.keyring);
    app.committer.commit_unrecorded(vaults::service::EnsureAgentKeys { keyring, org, owner, kek }).await
}

struct Register {
    keyring: Arc<Keyring>,
    grant: Grant<action::Extend>,
    draft: convert::Draft,
    vault: vault::Model,
    pairs: keys::Pairs,
    deks: [PreparedDek; 2],
    key: Option<NewKey>,
}

impl Change for Register {
    type Output = agent::Model;
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<agent::Model> {
        let (caller, ()) = self.grant.repeat(unit, &self.keyring).await?;
        let row = convert::row(&caller, &self.draft, &self.pairs, self.key.as_ref(), unit.now())?;
        rows::insert(unit, &self.keyring, row.clone()).await?;
        for ((path, new), dek) in self.pairs.secrets(row.id)?.iter().zip(&self.deks) {
            secrets::service::write(unit, &self.vault, None, path, caller.actor(), new, dek).await?;
        }
        unit.record(caller.event(actions::AGENT_REGISTER, ("agent", row.id)));
        Ok(row)
    }
}

pub(crate) async fn list(app: &App, caller: UserCaller) -> Result<types::AgentListResponse> {
    let _grant = caller.live().may::<action::Own>()?;
    let agents =
        app.database.read(rows::of_organisation(&app.database.readers(), &app.keyring, caller.session.org)).await?;
    Ok(types::AgentListResponse { agents: agents.into_iter().map(convert::response).collect::<Result<_>>()? })
}

/// The row is the caller's own: proving them has loaded it.
pub(crate) async fn me(_: &App, caller: AgentCaller) -> Result<types::AgentSelfResponse> {
    convert::self_response(caller.agent)
}

pub(crate) async fn get(
    _: &App,
    _: AnyCaller,
    found: Found<lookup::Agent>,
    _: params::AgentGetParams,
) -> Result<types::AgentResponse> {
    let grant = found.may::<action::SeeAgent>()?;
    convert::response(found.release(&grant)?)
}

pub(crate) async fn update(
    app: &App,
    caller: UserCaller,
    found: Found<lookup::Agent>,
    _: params::AgentUpdateParams,
    body: Unread<types::UpdateAgentRequest>,
) -> Result<Recorded<types::AgentResponse>> {
    let grant = found.may::<action::ManageAgent>()?;
    let changes = convert::changes(body.read(&grant).await?, caller.session.now)?;
    if let Some(ids) = &changes.vault_ids {
        vaults::service::check_ids(&app.database, caller.session.org, ids).await?;
    }
    let updated = app.committer.commit(Update { keyring: Arc::clone(&app.keyring), grant, changes }).await?;
    updated.try_map(convert::response)
}

struct Update {
    keyring: Arc<Keyring>,
    grant: Grant<action::ManageAgent>,
    changes: convert::Changes,
}

impl Change for Update {
    type Output = agent::Model;
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<agent::Model> {
        let (caller, mut agent) = self.grant.repeat(unit, &self.keyring).await?;
        self.changes.apply(&mut agent)?;
        rows::update(unit, &self.keyring, agent.clone()).await?;
        unit.record(caller.event(actions::AGENT_UPDATE, ("agent", agent.id)));
        Ok(agent)
    }
}

/// The row stays for the audit trail; its key and tokens are dead with the next request.
pub(crate) async fn deactivate(
    app: &App,
    _: UserCaller,
    found: Found<lookup::Agent>,
    _: params::AgentDeactivateParams,
) -> Result<Recorded<()>> {
    let grant = found.may::<action::ManageAgent>()?;
    app.committer.commit(Deactivate { keyring: Arc::clone(&app.keyring), grant }).await
}

struct Deactivate {
    keyring: Arc<Keyring>,
    grant: Grant<action::ManageAgent>,
}

impl Change for Deactivate {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let (caller, mut agent) = self.grant.repeat(unit, &self.keyring).await?;
        agent.is_active = false;
        agent.generation += 1;
        let id = agent.id;
        rows::update(unit, &self.keyring, agent).await?;
        unit.record(caller.event(actions::AGENT_DEACTIVATE, ("agent", id)));
        Ok(())
    }
}

pub(crate) async fn rotate_key(
    app: &App,
    _: UserCaller,
    found: Found<lookup::Agent>,
    _: params::AgentRotateKeyParams,
) -> Result<Recorded<types::AgentKeyRotatedResponse>> {
    let grant = found.may::<action::ManageAgent>()?;
    let key = new_key(KeyKind::Agent, &app.keyring.sub_keys)?;
    let text = key.text.clone();
    let rotated = app.committer.commit(Rotate { keyring: Arc::clone(&app.keyring), grant, key }).await?;
    Ok(rotated.map(|()| types::AgentKeyRotatedResponse { api_key: Some(text) }))
}

struct Rotate {
    keyring: Arc<Keyring>,
    grant: Grant<action::ManageAgent>,
    key: NewKey,
}

impl Change for Rotate {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let (caller, mut agent) = self.grant.repeat(unit, &self.keyring).await?;
        if agent.key_hash.is_none() {
            return Err(Error::invalid("This agent has no API key: it proves itself in another way."));
        }
        let now = unit.now().microseconds();
        if agent.credentials_end().map_err(Error::internal)?.is_some_and(|end| end <= now) {
            return Err(Error::conflict(
                "A new key would not be good: change `expires_at` or `api_key_expires_at` first.",
            ));
        }
        agent.key_hash = Some(crate::store::SealedBytes(self.key.hash.clone()));
        agent.generation += 1;
        let id = agent.id;
        rows::update(unit, &self.keyring, agent).await?;
        unit.record(caller.event(actions::AGENT_ROTATE_KEY, ("agent", id)));
        Ok(())
    }
}
