//! Policies between wire and rows.

use crate::caller::conditions::Conditions;
use crate::caller::policy::Permission;
use crate::error::{Error, Result};
use crate::operations::checks;
use crate::store::Actor;
use crate::store::entity::policy;
use keepward_api::{AgentId, PathPattern, PolicyId, Timestamp, UserId, VaultId, types};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A policy that was asked for.
pub(crate) struct Draft {
    pub(crate) pattern: PathPattern,
    pub(crate) principal: Actor,
    pub(crate) permissions: i64,
    pub(crate) conditions: String,
    pub(crate) expires_at: Option<i64>,
}

/// What an update says; absent fields stay.
pub(super) struct Changes {
    permissions: Option<i64>,
    conditions: Option<String>,
    expires_at: Option<Option<i64>>,
}

const WORDS: [(types::PolicyPermission, Permission); 3] = [
    (types::PolicyPermission::Read, Permission::Read),
    (types::PolicyPermission::Write, Permission::Write),
    (types::PolicyPermission::Delete, Permission::Delete),
];

fn bits(permissions: &[types::PolicyPermission]) -> Result<i64> {
    if permissions.is_empty() {
        return Err(Error::field("permissions", "must hold at least one of read, write and delete"));
    }
    let bit = |wanted: &types::PolicyPermission| {
        WORDS.iter().find(|(word, _)| word == wanted).map_or(0, |(_, bit)| *bit as i64)
    };
    Ok(permissions.iter().map(bit).fold(0, |all, bit| all | bit))
}

fn conditions(conditions: Option<Map<String, Value>>) -> Result<String> {
    if let Some(conditions) = &conditions {
        Conditions::parse_new(conditions).map_err(|rule| Error::field("conditions", rule))?;
    }
    checks::object("conditions", conditions, checks::MAX_CONDITIONS_BYTES)
}

pub(super) fn draft(request: types::CreatePolicyRequest, now: Timestamp) -> Result<Draft> {
    let id = Uuid::try_parse(&request.principal_id)
        .map_err(|_| Error::field("principal_id", "must be the UUID of a user or agent"))?;
    Ok(Draft {
        pattern: request.secret_path_pattern,
        principal: match request.principal_type {
            types::PrincipalType::User => Actor::User(UserId(id)),
            types::PrincipalType::Agent => Actor::Agent(AgentId(id)),
        },
        permissions: bits(&request.permissions)?,
        conditions: conditions(request.conditions)?,
        expires_at: checks::future("expires_at", request.expires_at, now)?,
    })
}

pub(super) fn changes(request: types::UpdatePolicyRequest, now: Timestamp) -> Result<Changes> {
    let permissions = match request.permissions {
        None => None,
        Some(None) => return Err(Error::field("permissions", "must not be null")),
        Some(Some(permissions)) => Some(bits(&permissions)?),
    };
    Ok(Changes {
        permissions,
        conditions: request.conditions.map(conditions).transpose()?,
        expires_at: request.expires_at.map(|time| checks::future("expires_at", time, now)).transpose()?,
    })
}

impl Changes {
    pub(super) fn apply(&self, policy: &mut policy::Model) {
        if let Some(permissions) = self.permissions {
            policy.permissions = permissions;
        }
        if let Some(conditions) = &self.conditions {
            policy.conditions.clone_from(conditions);
        }
        if let Some(expires_at) = self.expires_at {
            policy.expires_at = expires_at;
        }
    }
}

pub(super) fn response(policy: policy::Model) -> Result<types::PolicyResponse> {
    let held = WORDS.iter().filter(|(_, bit)| policy.permissions & (*bit as i64) != 0);
    let permissions = held.map(|(word, _)| word.to_string()).collect();
    Ok(types::PolicyResponse {
        id: PolicyId(policy.id),
        vault_id: VaultId(policy.vault_id),
        secret_path_pattern: policy.pattern,
        principal_type: policy.principal_type.parse::<types::PrincipalType>().map_err(Error::internal)?.into(),
        principal_id: policy.principal_id.to_string(),
        permissions,
        conditions: serde_json::from_str(&policy.conditions).map_err(Error::internal)?,
        expires_at: policy.expires_at.map(Timestamp::from_microseconds),
        created_by: policy.created_by.to_string(),
        created_by_type: policy.created_by_type,
        created_at: Timestamp::from_microseconds(policy.created_at),
    })
}
