//! Grants: the proof that [`super::policy`] said yes. Nothing that decides is read, written or released without one.
//!
//! A function that needs a grant does not compile without one:
//!
//! ```compile_fail
//! use keepward_server::caller::{Unread, action};
//! # use keepward_server::error::Result;
//! async fn handler(body: Unread<String>) -> Result<String> {
//!     body.read().await
//! }
//! ```
//!
//! and its twin, which differs by the grant alone, does:
//!
//! ```
//! use keepward_server::caller::{Grant, Unread, action};
//! # use keepward_server::error::Result;
//! async fn handler(body: Unread<String>, grant: Grant<action::CreateVault>) -> Result<String> {
//!     body.read(&grant).await
//! }
//! ```
//!
//! Nor can one be made up:
//!
//! ```compile_fail
//! use keepward_server::caller::{Grant, action};
//! fn forge() -> Grant<action::CreateVault> {
//!     Grant { key: keepward_server::caller::lookup::Nothing, live: None }
//! }
//! ```

use super::facts::{Facts, Found, Live, lookup};
use super::policy::{self, Decision, Permission};
use super::principal::AnyCaller;
use super::rows::{Rows, conclude, load};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::{Connection, Lock, Opaque, Unit};
use keepward_api::Timestamp;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// What can be granted: how it is found, decided and, if granted, what of the row it releases.
pub trait Action: Send + Sync + 'static {
    type Lookup: lookup::Lookup;
    type Row: Send;
    fn decide(facts: &Facts, key: &Self::Lookup, now: Timestamp, address: IpAddr) -> Decision;
    fn release(stored: <Self::Lookup as lookup::Lookup>::Stored, facts: &Facts, now: Timestamp) -> Result<Self::Row>;
}

/// Permission for one action on one thing, by one caller.
pub struct Grant<A: Action> {
    key: A::Lookup,
    /// Absent for public operations.
    live: Option<Live>,
}

impl Grant<action::Public> {
    pub(super) fn admitted() -> Self {
        Self { key: lookup::Nothing, live: None }
    }
}

impl<A: Action> Grant<A> {
    /// Decides, and answers the grant or the reason against it.
    pub(super) fn decide(key: &A::Lookup, live: &Live) -> Result<Self> {
        match A::decide(&live.facts, key, live.now, live.address) {
            Decision::Allow => Ok(Self { key: key.clone(), live: Some(live.clone()) }),
            Decision::Deny(reason) => Err(reason.error()),
        }
    }

    /// What it was granted for.
    pub fn key(&self) -> &A::Lookup {
        &self.key
    }

    /// What a unit that acts on it locks: what it acts on, and, shared with others, whatever proves its caller, so that
    /// nothing is written after the answer that ended them.
    pub fn locks(&self) -> Vec<Lock> {
        let mut locks = lookup::Lookup::locks(&self.key);
        if let Some(live) = &self.live {
            let principal = &live.facts.principal;
            locks.extend(principal.actor.id().map(|id| Lock::shared(principal.actor.kind(), id.as_bytes())));
            locks.extend(principal.key.map(|key| Lock::shared("key", key.0.as_bytes())));
            locks.extend(live.credential.claims().map(|claims| Lock::shared("token", claims.jti.as_bytes())));
        }
        locks
    }

    /// Loads and decides again inside a unit, so that nothing which changed since (a slow body, a queue) outlives a
    /// revocation. Answers the caller and the row as they are now.
    pub async fn repeat(&self, unit: &mut Unit<'_>, keyring: &Keyring) -> Result<(AnyCaller, A::Row)> {
        let Some(rows) = unit.take_read() else {
            return self.repeat_on(unit.connection(), keyring, unit.now()).await;
        };
        let rows = *rows.downcast::<Rows>().map_err(|_| Error::internal("an answer that is none"))?;
        let live = self.live()?;
        self.decide_again(conclude(rows, &live.credential, Some(&self.key), unit.now(), live.address)?)
    }

    /// What a batch may look up for the unit that repeats this.
    pub fn ask(&self) -> Option<Opaque> {
        let live = self.live.as_ref()?;
        Some(Box::new(super::batch::ask(&live.credential, Some(&self.key))?))
    }

    fn live(&self) -> Result<&Live> {
        self.live.as_ref().ok_or_else(|| Error::internal("a public grant is not repeated"))
    }

    /// The same outside a unit.
    pub async fn repeat_on(
        &self,
        connection: &impl Connection,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Result<(AnyCaller, A::Row)> {
        let live = self.live()?;
        let loaded = load(connection, keyring, &live.credential, Some(&self.key), now, live.address).await?;
        self.decide_again(loaded)
    }

    fn decide_again(&self, (caller, found): (AnyCaller, Option<Found<A::Lookup>>)) -> Result<(AnyCaller, A::Row)> {
        let found: Found<A::Lookup> = found.ok_or_else(|| Error::internal("a lookup without its answer"))?;
        let grant = found.may::<A>()?;
        let row = found.release(&grant)?;
        Ok((caller, row))
    }
}

impl Live {
    /// Decides what needs no row.
    pub fn may<A: Action<Lookup = lookup::Nothing>>(&self) -> Result<Grant<A>> {
        Grant::decide(&lookup::Nothing, self)
    }
}

/// A body that is not read yet; reading it needs a grant.
pub struct Unread<T>(Pin<Box<dyn Future<Output = Result<T>> + Send>>);

impl<T> Unread<T> {
    pub(crate) fn new(reading: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self(Box::pin(reading))
    }

    /// Reads and parses the body.
    pub async fn read<A: Action>(self, _: &Grant<A>) -> Result<T> {
        self.0.await
    }
}

/// The actions.
pub mod action {
    use super::*;
    use crate::caller::facts::{SecretStored, VaultStored};
    use crate::store::entity::{agent, secret_version, vault};

    /// Public operations: their own rules decide.
    pub struct Public;
    /// What every proven caller may do about themselves.
    pub struct Own;
    /// Making credentials: a human's keys, agents.
    pub struct Extend;
    pub struct CreateVault;
    pub struct SeeVault;
    pub struct ListSecrets;
    pub struct ManageVault;
    pub struct ReadSecret;
    pub struct WriteSecret;
    pub struct DeleteSecret;
    pub struct SeeAgent;
    pub struct ManageAgent;

    macro_rules! without_row {
        ($($name:ident => $decide:expr),* $(,)?) => {$(
            impl Action for $name {
                type Lookup = lookup::Nothing;
                type Row = ();
                fn decide(facts: &Facts, _: &Self::Lookup, _: Timestamp, _: IpAddr) -> Decision {
                    let decide: fn(&Facts) -> Decision = $decide;
                    decide(facts)
                }
                fn release((): (), _: &Facts, _: Timestamp) -> Result<()> {
                    Ok(())
                }
            }
        )*};
    }
    without_row! {
        Public => |_| Decision::Allow,
        Own => |_| Decision::Allow,
        Extend => policy::may_extend_itself,
        CreateVault => policy::may_create_vault,
    }

    macro_rules! on_vault {
        ($($name:ident by $lookup:ident => $decide:expr),* $(,)?) => {$(
            impl Action for $name {
                type Lookup = lookup::$lookup;
                type Row = vault::Model;
                fn decide(facts: &Facts, _: &Self::Lookup, now: Timestamp, _: IpAddr) -> Decision {
                    let decide: fn(&Facts, Timestamp) -> Decision = $decide;
                    decide(facts, now)
                }
                fn release(stored: VaultStored, _: &Facts, _: Timestamp) -> Result<vault::Model> {
                    stored.vault.ok_or(Error::NotFound { what: "vault" })
                }
            }
        )*};
    }
    on_vault! {
        SeeVault by Vault => policy::may_see_vault,
        ListSecrets by Listing => policy::may_see_vault,
        ManageVault by Vault => |facts, _| policy::may_manage_vault(facts),
    }

    macro_rules! on_agent {
        ($($name:ident => $decide:expr),* $(,)?) => {$(
            impl Action for $name {
                type Lookup = lookup::Agent;
                type Row = agent::Model;
                fn decide(facts: &Facts, _: &Self::Lookup, _: Timestamp, _: IpAddr) -> Decision {
                    $decide(facts)
                }
                fn release(stored: Option<agent::Model>, _: &Facts, _: Timestamp) -> Result<agent::Model> {
                    stored.ok_or(Error::NotFound { what: "agent" })
                }
            }
        )*};
    }
    on_agent! {
        SeeAgent => policy::may_see_agent,
        ManageAgent => policy::may_manage_agent,
    }

    /// A version that may be opened.
    pub struct Readable {
        pub vault: vault::Model,
        pub version: secret_version::Model,
    }

    /// A path that may be written: its vault, and what stands there.
    pub struct Slot {
        pub vault: vault::Model,
        pub newest: Option<secret_version::Model>,
    }

    fn parts(stored: SecretStored) -> Result<(vault::Model, Option<secret_version::Model>)> {
        let vault = stored.vault.ok_or(Error::NotFound { what: "vault" })?;
        Ok((vault, stored.newest))
    }

    impl Action for ReadSecret {
        type Lookup = lookup::Secret;
        type Row = Readable;
        fn decide(facts: &Facts, key: &Self::Lookup, now: Timestamp, address: IpAddr) -> Decision {
            policy::may_at_path(facts, Permission::Read, &key.path, now, address)
        }
        /// 404 what never was, 410 what is deleted, expired or used up, 403 a signing key for an agent that signs without
        /// seeing.
        fn release(stored: SecretStored, facts: &Facts, now: Timestamp) -> Result<Readable> {
            let (vault, version) = parts(stored)?;
            let version = version.ok_or(Error::NotFound { what: "secret" })?;
            let gone = |detail| Error::Gone { detail, resource: Some(version.secret_id) };
            if version.deleted_at.is_some() {
                return Err(gone("The secret was deleted."));
            }
            if facts.principal.intents && matches!(version.kind.as_str(), "private_key" | "ssh_key") {
                let detail = "An agent of the intents API signs with keys, it does not read them.".into();
                return Err(Error::Forbidden { detail, resource: Some(version.secret_id) });
            }
            if version.expires_at.is_some_and(|end| end <= now.microseconds()) {
                return Err(gone("The secret has expired."));
            }
            if version.max_access_count.is_some_and(|most| version.access_count >= most) {
                return Err(gone("The reads of this secret are used up."));
            }
            Ok(Readable { vault, version })
        }
    }

    impl Action for WriteSecret {
        type Lookup = lookup::Secret;
        type Row = Slot;
        fn decide(facts: &Facts, key: &Self::Lookup, now: Timestamp, address: IpAddr) -> Decision {
            policy::may_at_path(facts, Permission::Write, &key.path, now, address)
        }
        fn release(stored: SecretStored, _: &Facts, _: Timestamp) -> Result<Slot> {
            let (vault, newest) = parts(stored)?;
            Ok(Slot { vault, newest })
        }
    }

    impl Action for DeleteSecret {
        type Lookup = lookup::Secret;
        type Row = secret_version::Model;
        /// `write` gives it as well as `delete`.
        fn decide(facts: &Facts, key: &Self::Lookup, now: Timestamp, address: IpAddr) -> Decision {
            match policy::may_at_path(facts, Permission::Delete, &key.path, now, address) {
                Decision::Allow => Decision::Allow,
                Decision::Deny(_) => policy::may_at_path(facts, Permission::Write, &key.path, now, address),
            }
        }
        fn release(stored: SecretStored, _: &Facts, _: Timestamp) -> Result<secret_version::Model> {
            let (_, version) = parts(stored)?;
            let version = version.ok_or(Error::NotFound { what: "secret" })?;
            match version.deleted_at {
                None => Ok(version),
                Some(_) => Err(Error::Gone { detail: "The secret was deleted.", resource: Some(version.secret_id) }),
            }
        }
    }
}
