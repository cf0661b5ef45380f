//! A human's personal keys.

mod convert;
mod rows;

use crate::app::App;
use crate::audit::Recorded;
use crate::caller::{Grant, KeyKind, NewKey, Unread, UserCaller, action, new_key};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::api_key;
use crate::store::{Change, Lock, Unit};
use keepward_api::{ApiKeyId, actions, params, types};
use std::sync::Arc;

/// The key is in this answer and nowhere else.
pub(crate) async fn create(
    app: &App,
    caller: UserCaller,
    body: Unread<types::CreateApiKeyRequest>,
) -> Result<Recorded<types::ApiKeyCreatedResponse>> {
    let grant = caller.live().may::<action::Extend>()?;
    let draft = convert::draft(body.read(&grant).await?, caller.session.key.as_ref(), caller.session.now)?;
    let key = new_key(KeyKind::User, &app.keyring.sub_keys)?;
    let text = key.text.clone();
    let made = app.committer.commit(Create { keyring: Arc::clone(&app.keyring), grant, draft, key }).await?;
    made.try_map(|row| Ok(types::ApiKeyCreatedResponse { key: Some(convert::response(row)?), api_key: Some(text) }))
}

struct Create {
    keyring: Arc<Keyring>,
    grant: Grant<action::Extend>,
    draft: convert::Draft,
    key: NewKey,
}

impl Change for Create {
    type Output = api_key::Model;
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<api_key::Model> {
        let (caller, ()) = self.grant.repeat(unit, &self.keyring).await?;
        let row = convert::row(&caller, &self.draft, &self.key, unit.now());
        rows::insert(unit, &self.keyring, row.clone()).await?;
        unit.record(caller.event(actions::API_KEY_CREATE, ("api_key", row.id)));
        Ok(row)
    }
}

pub(crate) async fn list(app: &App, caller: UserCaller) -> Result<types::ApiKeyListResponse> {
    let _grant = caller.live().may::<action::Own>()?;
    let keys = app.database.read(rows::of_user(&app.database.readers(), &app.keyring, caller.id())).await?;
    Ok(types::ApiKeyListResponse { keys: keys.into_iter().map(convert::response).collect::<Result<_>>()? })
}

pub(crate) async fn delete(app: &App, caller: UserCaller, params: params::ApiKeyDeleteParams) -> Result<Recorded<()>> {
    let grant = caller.live().may::<action::Extend>()?;
    app.committer.commit(Delete { keyring: Arc::clone(&app.keyring), grant, id: params.key_id }).await
}

struct Delete {
    keyring: Arc<Keyring>,
    grant: Grant<action::Extend>,
    id: ApiKeyId,
}

impl Change for Delete {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        let mut locks = self.grant.locks();
        locks.push(Lock::exclusive("key", self.id.0.as_bytes()));
        locks
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let (caller, ()) = self.grant.repeat(unit, &self.keyring).await?;
        if !rows::delete(unit, caller.actor(), self.id).await? {
            return Err(Error::NotFound { what: "API key" });
        }
        unit.record(caller.event(actions::API_KEY_DELETE, ("api_key", self.id.0)));
        Ok(())
    }
}
