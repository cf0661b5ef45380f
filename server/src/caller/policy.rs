//! The decision: pure, from facts alone.
//!
//! Order: organisation, then an agent's binding, then scopes as a ceiling, then a policy that grants the action, or having
//! created the vault, or being an admin of its organisation.

use super::conditions::Conditions;
use super::facts::Facts;
use super::principal::Role;
use crate::error::Error;
use crate::store::Actor;
use keepward_api::{PathPattern, PolicyId, SecretPath, Timestamp};
use std::net::IpAddr;

/// What a policy can permit, as the bits that its row stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Read = 1,
    Write = 2,
    Delete = 4,
}

/// One policy as far as it decides.
#[derive(Clone, Debug)]
pub struct PolicyFacts {
    pub id: PolicyId,
    pub pattern: PathPattern,
    pub permissions: i64,
    pub conditions: Conditions,
    pub expires_at: Option<Timestamp>,
}

impl PolicyFacts {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Whether it gives this permission at this path, now and from there.
    pub fn gives(&self, permission: Permission, path: &SecretPath, now: Timestamp, address: IpAddr) -> bool {
        self.permits(permission, now, address) && self.pattern.matches(path)
    }

    /// Whether it gives this permission at the paths of its pattern, now and from there.
    pub fn permits(&self, permission: Permission, now: Timestamp, address: IpAddr) -> bool {
        self.permissions & (permission as i64) != 0 && self.is_live(now) && self.conditions.hold(now, address)
    }
}

/// Scopes as a limit on paths. A scope limits if it holds `/` or `*` and is made of path characters and `*`; `*` and `**`
/// are no limit; every other scope is a label. Since a scope that holds `/` or `*` must be a valid glob to be stored, only
/// rows of earlier versions hold others, which `migrate` prints. A stored glob that holds `.` was a label, and limits now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ceiling {
    #[default]
    Open,
    /// Paths that one of these matches; none, where every limiting scope was malformed.
    Patterns(Vec<PathPattern>),
}

impl Ceiling {
    pub fn of<S: AsRef<str>>(scopes: &[S]) -> Self {
        let limits: Vec<&str> = scopes.iter().map(AsRef::as_ref).filter(|scope| is_limit(scope)).collect();
        if limits.is_empty() || limits.iter().any(|scope| *scope == "*" || *scope == "**") {
            return Self::Open;
        }
        Self::Patterns(limits.iter().filter_map(|scope| scope.parse().ok()).collect())
    }

    pub fn covers(&self, path: &SecretPath) -> bool {
        match self {
            Self::Open => true,
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.matches(path)),
        }
    }
}

/// Whether a scope is meant as a limit on paths, well-formed or not.
pub fn is_limit(scope: &str) -> bool {
    let path_character = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'*');
    scope.contains(['/', '*']) && (scope.bytes().all(path_character) || scope.parse::<PathPattern>().is_ok())
}

/// Why not; the rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another organisation's, or none: the caller may not know which.
    NoVault,
    NoAgent,
    Binding,
    Ceiling,
    NoPolicy,
    NotManager,
    NotItself,
    NotRegistrar,
    BoundAgent,
    Limited,
}

impl Reason {
    /// What the caller is told.
    pub fn error(self) -> Error {
        let detail = match self {
            Self::NoVault => return Error::NotFound { what: "vault" },
            Self::NoAgent => return Error::NotFound { what: "agent" },
            Self::Binding => "This agent is bound to other vaults.",
            Self::Ceiling => "The scopes of this credential do not reach that path.",
            Self::NoPolicy => "No policy gives you this.",
            Self::NotManager => "Only the vault's creator and the organisation's admins may do this.",
            Self::NotItself => "An agent may see itself only.",
            Self::NotRegistrar => "Only the human who registered the agent and the organisation's admins may do this.",
            Self::Limited => {
                "The scopes of this credential limit it to paths, so it can't manage vaults, agents and keys."
            }
            Self::BoundAgent => "An agent that is bound to vaults can't make one.",
        };
        Error::forbidden(detail)
    }
}

/// Allowed, or the rule against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Deny(Reason),
}

fn is_admin(facts: &Facts) -> bool {
    facts.principal.role.is_some_and(|role| role >= Role::Admin)
}

/// The steps that every decision about a vault begins with: its organisation, the agent's binding. Answers whether the
/// caller has the vault by having made it or by rank.
fn vault(facts: &Facts) -> Result<bool, Reason> {
    let vault = facts.vault.as_ref().filter(|vault| vault.org == facts.principal.org).ok_or(Reason::NoVault)?;
    let binding = &facts.principal.binding;
    if !binding.is_empty() && !binding.contains(&vault.id) {
        return Err(Reason::Binding);
    }
    Ok(vault.created_by == facts.principal.actor || is_admin(facts))
}

fn decide(outcome: Result<(), Reason>) -> Decision {
    outcome.map_or_else(Decision::Deny, |()| Decision::Allow)
}

/// Whether the caller may do something at a path.
pub fn may_at_path(
    facts: &Facts,
    permission: Permission,
    path: &SecretPath,
    now: Timestamp,
    address: IpAddr,
) -> Decision {
    decide(vault(facts).and_then(|has_vault| {
        if !facts.principal.ceiling.covers(path) {
            return Err(Reason::Ceiling);
        }
        let granted = facts.policies.iter().any(|policy| policy.gives(permission, path, now, address));
        if has_vault || granted { Ok(()) } else { Err(Reason::NoPolicy) }
    }))
}

/// Whether the caller may know that the vault is there: any live policy in it will do.
pub fn may_see_vault(facts: &Facts, now: Timestamp) -> Decision {
    decide(vault(facts).and_then(|has_vault| {
        let granted = facts.policies.iter().any(|policy| policy.is_live(now));
        if has_vault || granted { Ok(()) } else { Err(Reason::NoPolicy) }
    }))
}

/// The paths of a vault whose secrets a list may show to the caller now.
pub struct Reach {
    /// `None`: every path, for who made the vault and for admins.
    patterns: Option<Vec<PathPattern>>,
    ceiling: Ceiling,
}

impl Reach {
    pub fn covers(&self, path: &SecretPath) -> bool {
        let granted =
            self.patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(path)));
        granted && self.ceiling.covers(path)
    }

    /// Texts with which every covered path begins; none of them begins with another.
    pub fn prefixes(&self) -> Vec<&str> {
        let Some(patterns) = &self.patterns else { return vec![""] };
        let mut prefixes: Vec<&str> = patterns.iter().map(PathPattern::literal_prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup_by(|next, kept| next.starts_with(*kept));
        prefixes
    }
}

/// What [`may_see_vault`] lets the caller list.
pub fn reach(facts: &Facts, now: Timestamp, address: IpAddr) -> Reach {
    let ceiling = facts.principal.ceiling.clone();
    let patterns = match vault(facts) {
        Ok(true) => None,
        Ok(false) => {
            let live = facts.policies.iter().filter(|policy| policy.permits(Permission::Read, now, address));
            Some(live.map(|policy| policy.pattern.clone()).collect())
        }
        Err(_) => Some(Vec::new()),
    };
    Reach { patterns, ceiling }
}

/// Who comes with a credential that reaches some paths only can't give others more, or take away what lies beyond.
fn unlimited(facts: &Facts) -> Result<(), Reason> {
    if facts.principal.ceiling == Ceiling::Open { Ok(()) } else { Err(Reason::Limited) }
}

/// Whether the caller may make and delete their own keys, or register agents.
pub fn may_extend_itself(facts: &Facts) -> Decision {
    decide(unlimited(facts))
}

/// Whether the caller may change the vault's policies or delete it; no policy gives that.
pub fn may_manage_vault(facts: &Facts) -> Decision {
    decide(vault(facts).and_then(|has_vault| if has_vault { unlimited(facts) } else { Err(Reason::NotManager) }))
}

/// Whether the caller may make a vault.
pub fn may_create_vault(facts: &Facts) -> Decision {
    decide(if facts.principal.binding.is_empty() { Ok(()) } else { Err(Reason::BoundAgent) })
}

/// Whether the caller may see the agent that was looked up.
pub fn may_see_agent(facts: &Facts) -> Decision {
    decide(match (&facts.agent, facts.principal.actor) {
        (None, _) => Err(Reason::NoAgent),
        (Some(agent), Actor::Agent(own)) if agent.id != own => Err(Reason::NotItself),
        (Some(_), _) => Ok(()),
    })
}

/// Whether the caller may change the agent that was looked up: a human, its registrar or an admin.
pub fn may_manage_agent(facts: &Facts) -> Decision {
    decide(match (&facts.agent, facts.principal.actor) {
        (None, _) => Err(Reason::NoAgent),
        (Some(agent), Actor::User(user)) if agent.created_by == Some(user) || is_admin(facts) => unlimited(facts),
        (Some(_), _) => Err(Reason::NotRegistrar),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings() {
        let path = "prod/db/password".parse().unwrap();
        for (scopes, covers) in [
            (vec![], true),
            (vec!["vault:read"], true),
            (vec!["read"], true),
            (vec!["*"], true),
            (vec!["**"], true),
            (vec!["prod/**"], true),
            (vec!["test/**"], false),
            (vec!["test/**", "prod/db/*"], true),
            (vec!["test/**", "*"], true),
            (vec!["a*/b"], false),
            (vec!["/prod/**"], false),
        ] {
            assert_eq!(Ceiling::of(&scopes).covers(&path), covers, "{scopes:?}");
        }
    }
}
