//! Whom a policy is for.

use crate::resources::{Policies, PolicyCreate};
use crate::{AgentId, Error, PathPattern, UserId, VaultId, types};

/// A user or an agent of the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    User(UserId),
    Agent(AgentId),
}

impl From<UserId> for Principal {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

impl From<AgentId> for Principal {
    fn from(id: AgentId) -> Self {
        Self::Agent(id)
    }
}

impl<'a> Policies<'a> {
    /// [`Policies::create`] with a principal that says of itself what it is.
    pub fn grant<Vault, Pattern>(
        &self,
        vault: Vault,
        pattern: Pattern,
        principal: impl Into<Principal>,
        permissions: impl IntoIterator<Item = types::PolicyPermission>,
    ) -> PolicyCreate<'a>
    where
        Vault: TryInto<VaultId>,
        Pattern: TryInto<PathPattern>,
        Error: From<Vault::Error> + From<Pattern::Error>,
    {
        let (kind, id) = match principal.into() {
            Principal::User(id) => (types::PrincipalType::User, id.to_string()),
            Principal::Agent(id) => (types::PrincipalType::Agent, id.to_string()),
        };
        let permissions: Vec<_> = permissions.into_iter().collect();
        self.create(vault, pattern, kind, id, permissions)
    }
}
