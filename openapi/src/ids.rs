//! Ids as types, so that a vault's id can't be passed for a secret's.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Invalid;
            /// Takes the hyphenated form only, as the wire does.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 => Ok(Self(id)),
                    _ => Err(crate::Invalid("must be a UUID such as 3f0d3a0e-4f6b-4a6b-9c55-2b7f6d1f8a10")),
                }
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = crate::Invalid;
            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )*};
}

ids! {
    /// Id of an organisation.
    OrgId,
    /// Id of a user.
    UserId,
    /// Id of an agent.
    AgentId,
    /// Id of a personal API key.
    ApiKeyId,
    /// Id of a vault.
    VaultId,
    /// Id of a secret, the same over all its versions.
    SecretId,
    /// Id of a policy.
    PolicyId,
    /// Id of an audit event.
    EventId,
    /// Id of a rotation job.
    JobId,
    /// Id of a transaction.
    TransactionId,
    /// Id of a chain's record, not its EIP-155 number.
    ChainId,
    /// Id of a share.
    ShareId,
    /// Id of an IP rule.
    IpRuleId,
}
