//! What other slices do with vaults.

use super::rows;
use crate::caller::{AnyCaller, Visible};
use crate::error::{Error, Result};
use crate::seal::{Key, KeyId, Keyring};
use crate::store::entity::vault;
use crate::store::{Actor, Change, Connection, Database, Event, Lock, Outcome, Unit, insert_with_mac};
use keepward_api::{OrgId, UserId, VaultId, actions};
use std::sync::Arc;

/// The vault that holds the private keys of an organisation's agents.
pub(crate) const AGENT_KEYS: &str = "__agent-keys";

pub(crate) struct NewVault<'a> {
    pub(crate) org: OrgId,
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) created_by: Actor,
}

pub(crate) async fn insert(unit: &Unit<'_>, keyring: &Keyring, new: &NewVault<'_>, kek: &Key) -> Result<vault::Model> {
    let row = vault::Model {
        id: crate::ids::new(),
        org_id: new.org.0,
        name: new.name.to_owned(),
        description: new.description.to_owned(),
        created_by: new.created_by.id().unwrap_or_default(),
        created_by_type: new.created_by.kind().to_owned(),
        kek_id: kek.id.0,
        kek_record: kek.record.clone(),
        cmek_enabled: false,
        cmek_fingerprint: None,
        created_at: unit.now().microseconds(),
        row_mac: Vec::new(),
    };
    insert_with_mac(unit.connection(), &keyring.sub_keys.row, row.clone()).await?;
    Ok(row)
}

/// The vault's KEK, as its keystore knows it.
pub(crate) fn kek(vault: &vault::Model) -> Key {
    Key { id: KeyId(vault.kek_id), record: vault.kek_record.clone() }
}

/// The organisation's vault of agent keys, made with its first agent, by a unit of its own.
pub(crate) struct EnsureAgentKeys {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) org: OrgId,
    pub(crate) owner: UserId,
    pub(crate) kek: Key,
}

impl Change for EnsureAgentKeys {
    type Output = vault::Model;
    fn locks(&self) -> Vec<Lock> {
        vec![Lock::exclusive("agent-keys", self.org.0.as_bytes())]
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<vault::Model> {
        if let Some(vault) = agent_keys(unit.connection(), &self.keyring, self.org).await? {
            return Ok(vault);
        }
        let created_by = Actor::User(self.owner);
        let new = NewVault { org: self.org, name: AGENT_KEYS, description: "", created_by };
        let vault = insert(unit, &self.keyring, &new, &self.kek).await?;
        unit.record(Event {
            chain: self.org.0,
            action: actions::VAULT_CREATE,
            actor: Actor::System,
            resource: Some(("vault", vault.id)),
            outcome: Outcome::Success,
            details: serde_json::Map::new(),
            address: None,
        });
        Ok(vault)
    }
}

pub(crate) async fn agent_keys(
    connection: &impl Connection,
    keyring: &Keyring,
    org: OrgId,
) -> Result<Option<vault::Model>> {
    rows::by_name(connection, keyring, org.0, AGENT_KEYS).await
}

/// The vaults that an agent can read now, oldest first, without the agents' keys: what clients take their default from.
pub(crate) async fn readable_ids(database: &Database, keyring: &Keyring, caller: &AnyCaller) -> Result<Vec<VaultId>> {
    let now = caller.session().now;
    let visible: Visible = caller.visible();
    let vaults = database
        .read(rows::visible(&database.readers(), keyring, &visible, now, Some(caller.session().address)))
        .await?;
    Ok(vaults.into_iter().filter(|vault| vault.name != AGENT_KEYS).map(|vault| VaultId(vault.id)).collect())
}

/// Refuses ids that are not of the organisation's vaults.
pub(crate) async fn check_ids(database: &Database, org: OrgId, ids: &[VaultId]) -> Result<()> {
    let mut distinct: Vec<_> = ids.iter().map(|id| id.0).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let known = if distinct.is_empty() {
        0
    } else {
        database.read(rows::count_of(&database.readers(), org.0, &distinct)).await?
    };
    if u64::try_from(distinct.len()).ok() == Some(known) {
        Ok(())
    } else {
        Err(Error::field("vault_ids", "must be ids of vaults of your organisation"))
    }
}
