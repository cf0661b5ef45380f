//! What the one statement of a request found, and what of it is given away when.

use super::credential::Credential;
use super::grant::{Action, Grant};
use super::policy::{Ceiling, PolicyFacts};
use super::principal::Role;
use crate::error::{Error, Result};
use crate::store::Actor;
use crate::store::entity::{secret_version, vault};
use keepward_api::{AgentId, ApiKeyId, OrgId, Timestamp, UserId, VaultId};
use std::net::IpAddr;
use std::sync::Arc;

/// Everything that decides.
#[derive(Clone, Debug)]
pub struct Facts {
    pub principal: PrincipalFacts,
    /// The vault that was looked up; absent where there is none, or its row is not authentic.
    pub vault: Option<VaultFacts>,
    /// Of the principal's policies in that vault those that can match the path, or one that begins with the prefix, and
    /// without a path any one that lives; some may be here twice.
    pub policies: Vec<PolicyFacts>,
    /// The agent that was looked up, of the caller's organisation.
    pub agent: Option<AgentFacts>,
}

#[derive(Clone, Debug)]
pub struct PrincipalFacts {
    pub actor: Actor,
    /// The personal key that proves a human, directly or through a token made from it.
    pub key: Option<ApiKeyId>,
    pub org: OrgId,
    /// Of a human.
    pub role: Option<Role>,
    pub ceiling: Ceiling,
    /// The vaults an agent is bound to; empty: not bound.
    pub binding: Vec<VaultId>,
    /// The agent signs, so it does not read signing keys.
    pub intents: bool,
}

#[derive(Clone, Debug)]
pub struct VaultFacts {
    pub id: VaultId,
    pub org: OrgId,
    pub created_by: Actor,
}

#[derive(Clone, Debug)]
pub struct AgentFacts {
    pub id: AgentId,
    pub created_by: Option<UserId>,
}

/// Facts as they were at one moment, with what it takes to load them again.
#[derive(Clone, Debug)]
pub struct Live {
    pub facts: Arc<Facts>,
    pub credential: Arc<Credential>,
    pub now: Timestamp,
    pub address: IpAddr,
}

/// A row that gives nothing away until a grant for it is shown.
pub struct Pending<S>(S);

/// The answer of a lookup: decide first, then release.
pub struct Found<L: lookup::Lookup> {
    pub(super) key: L,
    pub(super) live: Live,
    pub(super) pending: Pending<L::Stored>,
}

impl<L: lookup::Lookup> Found<L> {
    pub(super) fn new(key: L, live: Live, stored: L::Stored) -> Self {
        Self { key, live, pending: Pending(stored) }
    }

    pub fn facts(&self) -> &Facts {
        &self.live.facts
    }

    /// The time of the request.
    pub fn now(&self) -> Timestamp {
        self.live.now
    }

    /// Where the request comes from.
    pub fn address(&self) -> IpAddr {
        self.live.address
    }

    /// Whether the caller may; the reason against it is the error.
    pub fn may<A: Action<Lookup = L>>(&self) -> Result<Grant<A>> {
        Grant::decide(&self.key, &self.live)
    }

    /// Gives the row away to the grant that was made for it, unless the row itself is against it (deleted, expired, used
    /// up).
    pub fn release<A: Action<Lookup = L>>(self, grant: &Grant<A>) -> Result<A::Row> {
        if *grant.key() != self.key {
            return Err(Error::internal("a grant for another row"));
        }
        A::release(self.pending.0, &self.live.facts, self.live.now)
    }
}

/// The stored side of a vault lookup.
#[derive(Default)]
pub struct VaultStored {
    pub vault: Option<vault::Model>,
}

/// The stored side of a secret lookup.
#[derive(Default)]
pub struct SecretStored {
    pub vault: Option<vault::Model>,
    pub newest: Option<secret_version::Model>,
}

/// What a request looks up besides its principal; the document says which (`x-lookup`).
pub mod lookup {
    use super::{SecretStored, VaultStored};
    use crate::caller::rows::{Rows, Shape};
    use crate::store::entity::agent;
    use crate::store::{Lock, SqlValue as Value};
    use keepward_api::{AgentId, PATH_LENGTH, SecretPath, VaultId};
    use serde_json::{Map, json};
    use uuid::Uuid;

    /// A kind of lookup.
    pub trait Lookup: Clone + PartialEq + Send + Sync + 'static {
        type Stored: Default + Send;
        /// Which branches the statement has.
        fn shape(&self) -> Shape;
        /// The values that the branches refer to, in order.
        fn values(&self) -> Vec<Value>;
        /// Where in a vault it looks, if it looks at a path.
        fn place(&self) -> Option<Place> {
            None
        }
        /// Takes its rows.
        fn take(&self, rows: &mut Rows) -> Self::Stored;
        /// What a unit that changes it locks.
        fn locks(&self) -> Vec<Lock>;
        /// What a refusal is about, and its details.
        fn resource(&self) -> Option<(&'static str, Uuid, Map<String, serde_json::Value>)>;
    }

    /// The principal alone.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Nothing;
    /// A vault, and one of the principal's live policies in it, if there are any.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Vault {
        pub vault_id: VaultId,
    }
    /// The same, and the principal's policies that can match a path which begins with the prefix.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Listing {
        pub vault_id: VaultId,
        pub prefix: Option<String>,
    }
    /// A path: its vault, the policies that can match it, and the newest version there.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Secret {
        pub vault_id: VaultId,
        pub path: SecretPath,
    }
    /// An agent of the organisation.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Agent {
        pub agent_id: AgentId,
    }

    /// A path in a vault.
    pub struct Place {
        pub(in crate::caller) vault: Uuid,
        pub(in crate::caller) path: String,
    }

    impl Place {
        /// See [`prefixes`].
        pub(in crate::caller) fn prefixes(&self) -> Vec<&str> {
            prefixes(&self.path)
        }
    }

    impl Lookup for Nothing {
        type Stored = ();
        fn shape(&self) -> Shape {
            Shape::Nothing
        }
        fn values(&self) -> Vec<Value> {
            vec![]
        }
        fn take(&self, _: &mut Rows) {}
        fn locks(&self) -> Vec<Lock> {
            Vec::new()
        }
        fn resource(&self) -> Option<(&'static str, Uuid, Map<String, serde_json::Value>)> {
            None
        }
    }

    impl Lookup for Vault {
        type Stored = VaultStored;
        fn shape(&self) -> Shape {
            Shape::Vault
        }
        fn values(&self) -> Vec<Value> {
            vec![self.vault_id.0.into()]
        }
        fn take(&self, rows: &mut Rows) -> VaultStored {
            VaultStored { vault: rows.vault.take() }
        }
        fn locks(&self) -> Vec<Lock> {
            vec![Lock::exclusive("vault", self.vault_id.0.as_bytes())]
        }
        fn resource(&self) -> Option<(&'static str, Uuid, Map<String, serde_json::Value>)> {
            Some(("vault", self.vault_id.0, Map::new()))
        }
    }

    /// Every prefix of whole segments, the empty one and the path itself included: the literal prefixes that a pattern
    /// which matches the path can have.
    fn prefixes(path: &str) -> Vec<&str> {
        let ends = path.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(i, _)| i);
        let inner = ends.filter_map(|end| path.get(..end));
        std::iter::once("").chain(inner).chain(std::iter::once(path)).collect()
    }

    /// Whether a path can begin with it.
    fn can_begin(prefix: &str) -> bool {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
        prefix.len() <= PATH_LENGTH && prefix.bytes().all(fits)
    }

    /// The least text that is greater than every path and literal prefix which begins with this: what follows its last byte,
    /// or `z`.
    pub fn after(prefix: &str) -> String {
        let mut bytes = prefix.as_bytes().to_vec();
        let last = bytes.pop().unwrap_or(b'z');
        bytes.push(last.saturating_add(1));
        // Of ASCII below DEL, since it can begin a path.
        String::from_utf8(bytes).unwrap_or_default()
    }

    impl Listing {
        /// The range of texts that begin with the prefix, its end excluded; `None` where no path does.
        pub fn range(&self) -> Option<(&str, String)> {
            let prefix = self.prefix.as_deref().unwrap_or_default();
            can_begin(prefix).then(|| (prefix, after(prefix)))
        }

        /// The literal prefixes before that range which can match a path in it; padded, as those of a path are.
        fn above(&self) -> Vec<&str> {
            // No literal prefix: it can't hold this.
            const NOWHERE: &str = "*";
            let mut above = self.range().map(|(prefix, _)| prefixes(prefix)).unwrap_or_default();
            // The last one is the prefix itself.
            above.pop();
            above.resize(above.len().next_power_of_two(), NOWHERE);
            above
        }
    }

    impl Lookup for Listing {
        type Stored = VaultStored;
        fn shape(&self) -> Shape {
            Shape::Listing { prefixes: self.above().len() }
        }
        fn values(&self) -> Vec<Value> {
            let (low, high) = self.range().unwrap_or_default();
            let mut values: Vec<Value> = vec![self.vault_id.0.into(), low.into(), high.into()];
            values.extend(self.above().into_iter().map(Value::from));
            values
        }
        fn take(&self, rows: &mut Rows) -> VaultStored {
            VaultStored { vault: rows.vault.take() }
        }
        fn locks(&self) -> Vec<Lock> {
            Vec::new()
        }
        fn resource(&self) -> Option<(&'static str, Uuid, Map<String, serde_json::Value>)> {
            Some(("vault", self.vault_id.0, Map::new()))
        }
    }

    impl Lookup for Secret {
        type Stored = SecretStored;
        fn shape(&self) -> Shape {
            Shape::Secret { prefixes: prefixes(self.path.as_str()).len().next_power_of_two() }
        }
        fn values(&self) -> Vec<Value> {
            let mut prefixes = prefixes(self.path.as_str());
            // Padded to a power of two with one that is there already, so that few statement texts serve all depths.
            prefixes.resize(prefixes.len().next_power_of_two(), "");
            let mut values: Vec<Value> = vec![self.vault_id.0.into(), self.path.as_str().into()];
            values.extend(prefixes.into_iter().map(Value::from));
            values
        }
        fn place(&self) -> Option<Place> {
            Some(Place { vault: self.vault_id.0, path: self.path.as_str().to_owned() })
        }
        fn take(&self, rows: &mut Rows) -> SecretStored {
            SecretStored { vault: rows.vault.take(), newest: rows.newest.take() }
        }
        fn locks(&self) -> Vec<Lock> {
            let (vault, path) = (self.vault_id.0.as_bytes(), self.path.as_str().as_bytes());
            vec![Lock::shared("vault", vault), Lock::exclusive("secret", &[vault, path].concat())]
        }
        fn resource(&self) -> Option<(&'static str, Uuid, Map<String, serde_json::Value>)> {
            let details = [("vault_id", json!(self.vault_id)), ("path", json!(self.path))];
            let details = details.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            Some(("vault", self.vault_id.0, details))
        }
    }

    impl Lookup for Agent {
        type Stored = Option<agent::Model>;
        fn shape(&self) -> Shape {
            Shape::Agent
        }
        fn values(&self) -> Vec<Value> {
            vec![self.agent_id.0.into()]
        }
        fn take(&self, rows: &mut Rows) -> Option<agent::Model> {
            rows.target.take()
        }
        fn locks(&self) -> Vec<Lock> {
            vec![Lock::exclusive("agent", self.agent_id.0.as_bytes())]
        }
        fn resource(&self) -> Option<(&'static str, Uuid, Map<String, serde_json::Value>)> {
            Some(("agent", self.agent_id.0, Map::new()))
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn prefixes_of_a_path() {
            assert_eq!(prefixes("a/b/c"), ["", "a", "a/b", "a/b/c"]);
        }

        /// A pattern that can match a path which begins with the prefix is in the range or above it.
        #[test]
        fn what_a_listing_looks_up() {
            let listing =
                |prefix: Option<&str>| Listing { vault_id: VaultId(Uuid::nil()), prefix: prefix.map(str::to_owned) };
            for (prefix, found, not_found) in [
                (None, vec!["", "a", "zz", "Z/9", "_"], vec![]),
                (Some("a"), vec!["", "a", "ab", "a/b", "a-b"], vec!["b", "A", "_"]),
                (Some("a/b"), vec!["", "a", "a/b", "a/bc", "a/b/c"], vec!["a/a", "a/c", "ab", "b"]),
                (Some("a/b/"), vec!["", "a", "a/b", "a/b/c"], vec!["a/bc", "a/b-c", "a/b0"]),
                (Some("a/é"), vec![], vec!["", "a", "a/b"]),
                (Some("a\0"), vec![], vec!["", "a"]),
            ] {
                let listing = listing(prefix);
                let looks_up = |literal: &str| {
                    let in_range = listing.range().is_some_and(|(low, high)| low <= literal && literal < high.as_str());
                    in_range || listing.above().contains(&literal)
                };
                assert_eq!(found.iter().find(|literal| !looks_up(literal)), None, "{prefix:?}");
                assert_eq!(not_found.iter().find(|literal| looks_up(literal)), None, "{prefix:?}");
            }
        }
    }
}
