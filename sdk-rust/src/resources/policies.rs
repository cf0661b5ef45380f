use super::Prepared;
use crate::{AgentId, Client, Error, PathPattern, PolicyId, Result, UserId, VaultId, types};

/// Whom a policy is for.
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

/// Policies: what one principal may do at the paths that one pattern matches.
pub struct Policies<'a>(pub(crate) &'a Client);

impl<'a> Policies<'a> {
    /// Gives a principal permissions at a pattern of paths.
    pub fn create<P>(
        &self,
        vault: VaultId,
        pattern: P,
        principal: impl Into<Principal>,
        permissions: impl IntoIterator<Item = types::PolicyPermission>,
    ) -> Prepared<'a, types::CreatePolicyRequest, types::PolicyResponse>
    where
        P: TryInto<PathPattern>,
        Error: From<P::Error>,
    {
        let client = self.0;
        let (principal_type, principal_id) = match principal.into() {
            Principal::User(id) => (types::PrincipalType::User, id.to_string()),
            Principal::Agent(id) => (types::PrincipalType::Agent, id.to_string()),
        };
        let permissions = permissions.into_iter().collect();
        let request = pattern.try_into().map(|secret_path_pattern| types::CreatePolicyRequest {
            secret_path_pattern,
            principal_type,
            principal_id,
            permissions,
            conditions: None,
            expires_at: None,
        });
        Prepared::new(request.map_err(Error::from), move |request| {
            client.send(client.api().policy_create().vault_id(vault).body(request).send())
        })
    }

    /// The vault's policies, oldest first.
    pub async fn list(&self, vault: VaultId) -> Result<types::PolicyListResponse> {
        self.0.send(self.0.api().policy_list().vault_id(vault).send()).await
    }

    /// Changes permissions, conditions or expiry; what is not set stays, `Some(None)` clears.
    pub fn update(
        &self,
        vault: VaultId,
        policy: PolicyId,
    ) -> Prepared<'a, types::UpdatePolicyRequest, types::PolicyResponse> {
        let client = self.0;
        let request = types::UpdatePolicyRequest { permissions: None, conditions: None, expires_at: None };
        Prepared::new(Ok(request), move |request| {
            client.send(client.api().policy_update().vault_id(vault).policy_id(policy).body(request).send())
        })
    }

    /// Takes the permissions away, with the next request.
    pub async fn delete(&self, vault: VaultId, policy: PolicyId) -> Result<()> {
        self.0.send(self.0.api().policy_delete().vault_id(vault).policy_id(policy).send()).await
    }
}
