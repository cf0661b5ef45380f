//! Secrets: versioned, sealed values at paths.

mod convert;
mod rows;
pub(crate) mod service;

use crate::app::App;
use crate::audit::Recorded;
use crate::caller::{AnyCaller, Found, Grant, Unread, action, lookup, policy};
use crate::error::{Error, Result};
use crate::operations::vaults::service::kek;
use crate::seal::{Keyring, Opened, PreparedDek};
use crate::store::entity::secret_version;
use crate::store::{Change, Event, Lock, Opaque, Unit};
use keepward_api::{Timestamp, actions, params, types};
use std::sync::Arc;

/// A read is one statement, which has run already, and one unit: its event, and its count where the version has one. A HEAD
/// opens and counts nothing: link scanners send it.
pub(crate) async fn get(
    app: &App,
    caller: AnyCaller,
    found: Found<lookup::Secret>,
    params: params::SecretGetParams,
) -> Result<Recorded<types::SecretResponse>> {
    let grant = Arc::new(found.may::<action::ReadSecret>()?);
    let mut row = found.release(&grant)?;
    if caller.session().is_head {
        let event =
            convert::event(&caller, actions::SECRET_GET, row.version.secret_id, grant.key()).with("method", "HEAD");
        let answer = convert::response(row.version, Opened::nothing())?;
        return Ok(app.committer.record(event).await?.map(|()| answer));
    }
    loop {
        let location = convert::location(caller.session().org, &params.path, &row.version);
        let (kek, version) = (kek(&row.vault), &row.version);
        let value = app.keyring.open_value(&kek, &version.wrapped_dek, &location, &version.sealed).await?;
        let event = convert::event(&caller, actions::SECRET_GET, row.version.secret_id, grant.key());
        let recorded = match row.version.max_access_count {
            None => Some(app.committer.record(event).await?),
            Some(_) => {
                let (keyring, grant, version) = (Arc::clone(&app.keyring), Arc::clone(&grant), row.version.clone());
                counted(app.committer.commit(CountRead { keyring, grant, version, event }).await)?
            }
        };
        if let Some(recorded) = recorded {
            let answer = convert::response(row.version, value)?;
            return Ok(recorded.map(|()| answer));
        }
        // Another version is the newest by now, or the reads of this one are used up: the row of now says which.
        (_, row) = app.database.read(grant.repeat_on(&app.database.readers(), &app.keyring, Timestamp::now())).await?;
    }
}

/// A version that could not be counted is no answer, and no error yet.
fn counted(outcome: Result<Recorded<()>>) -> Result<Option<Recorded<()>>> {
    match outcome {
        Err(Error::Gone { .. }) => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// One read of a version that allows only so many.
struct CountRead {
    keyring: Arc<Keyring>,
    grant: Arc<Grant<action::ReadSecret>>,
    version: secret_version::Model,
    event: Event,
}

impl Change for CountRead {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    fn ask(&self) -> Option<Opaque> {
        self.grant.ask()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        self.grant.repeat(unit, &self.keyring).await?;
        if !rows::count_read(unit, &self.version).await? {
            return Err(Error::Gone { detail: "This version can't be read any more.", resource: None });
        }
        unit.record(self.event.clone());
        Ok(())
    }
}

pub(crate) async fn put(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Secret>,
    _: params::SecretPutParams,
    body: Unread<types::PutSecretRequest>,
) -> Result<Recorded<types::SecretMetadataResponse>> {
    let grant = found.may::<action::WriteSecret>()?;
    let now = found.now();
    let vault = found.release(&grant)?.vault;
    let new = convert::new_version(body.read(&grant).await?, now)?;
    let dek = app.keyring.prepare_dek(&kek(&vault)).await?;
    let written = app.committer.commit(Put { keyring: Arc::clone(&app.keyring), grant, new, dek }).await?;
    Ok(written.map(|version| convert::metadata(version.into())))
}

struct Put {
    keyring: Arc<Keyring>,
    grant: Grant<action::WriteSecret>,
    new: service::NewVersion,
    dek: PreparedDek,
}

impl Change for Put {
    type Output = secret_version::Model;
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    fn ask(&self) -> Option<Opaque> {
        self.grant.ask()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<Self::Output> {
        let (caller, slot) = self.grant.repeat(unit, &self.keyring).await?;
        let key = self.grant.key();
        let written =
            service::write(unit, &slot.vault, slot.newest, &key.path, caller.actor(), &self.new, &self.dek).await?;
        unit.record(convert::event(&caller, actions::SECRET_PUT, written.secret_id, key));
        Ok(written)
    }
}

pub(crate) async fn delete(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Secret>,
    _: params::SecretDeleteParams,
) -> Result<Recorded<()>> {
    let grant = found.may::<action::DeleteSecret>()?;
    found.release(&grant)?;
    app.committer.commit(Delete { keyring: Arc::clone(&app.keyring), grant }).await
}

struct Delete {
    keyring: Arc<Keyring>,
    grant: Grant<action::DeleteSecret>,
}

impl Change for Delete {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        self.grant.locks()
    }
    fn ask(&self) -> Option<Opaque> {
        self.grant.ask()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let (caller, version) = self.grant.repeat(unit, &self.keyring).await?;
        rows::mark_deleted(unit, &version).await?;
        unit.record(convert::event(&caller, actions::SECRET_DELETE, version.secret_id, self.grant.key()));
        Ok(())
    }
}

pub(crate) async fn list(
    app: &App,
    _: AnyCaller,
    found: Found<lookup::Listing>,
    _: params::SecretListParams,
) -> Result<types::SecretListResponse> {
    let grant = found.may::<action::ListSecrets>()?;
    let reach = policy::reach(found.facts(), found.now(), found.address());
    let vault = found.release(&grant)?;
    let listed = match grant.key().range() {
        Some(range) => app.database.read(rows::list(&app.database.readers(), vault.id, &reach, range.0)).await?,
        None => Vec::new(),
    };
    Ok(types::SecretListResponse { secrets: listed.into_iter().map(convert::metadata).collect() })
}
