//! The kinds of caller. A handler's first argument is one of them, and the pipeline is the only maker.

use super::Claims;
use super::facts::Live;
use super::grant::{Grant, action};
use super::policy::Ceiling;
use crate::error::{Error, Result};
use crate::store::entity::{agent, users};
use crate::store::{Actor, Event, Outcome};
use keepward_api::{AgentId, ApiKeyId, OrgId, Timestamp, UserId, VaultId};
use std::net::IpAddr;

/// What an operation asks its caller to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    Public,
    User,
    Agent,
    Any,
    Operator,
}

impl CallerKind {
    /// Refuses (403) a caller of another kind.
    pub(crate) fn check(self, caller: AnyCaller) -> Result<()> {
        match self {
            Self::Public | Self::Any => Ok(()),
            Self::User => UserCaller::from_live(caller).map(drop),
            Self::Agent => AgentCaller::from_live(caller).map(drop),
            Self::Operator => OperatorCaller::from_live(caller).map(drop),
        }
    }
}

/// A human's rank in their organisation; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Member,
    Admin,
    Owner,
}

impl Role {
    /// Any other word is the least role.
    pub fn parse(word: &str) -> Self {
        match word {
            "owner" => Self::Owner,
            "admin" => Self::Admin,
            _ => Self::Member,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

/// Somebody whom nothing has proven.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    pub address: IpAddr,
    pub now: Timestamp,
}

impl Visitor {
    /// The operation is public: nothing but its own rules stands in the way.
    pub fn admit(&self) -> Grant<action::Public> {
        Grant::admitted()
    }
}

/// What every proven caller has.
#[derive(Clone, Debug)]
pub struct Session {
    pub org: OrgId,
    pub ceiling: Ceiling,
    /// Of a token; a key as bearer has none.
    pub claims: Option<Claims>,
    /// The personal key that the credential is, or was made from.
    pub key: Option<PersonalKey>,
    pub address: IpAddr,
    pub now: Timestamp,
    /// The request is a HEAD: it is checked and recorded like a GET, and opens and spends nothing.
    pub is_head: bool,
}

/// The personal key behind a human's credential.
#[derive(Clone, Debug)]
pub struct PersonalKey {
    pub id: ApiKeyId,
    pub scopes: Vec<String>,
    pub expires_at: Option<Timestamp>,
}

/// A human.
#[derive(Clone, Debug)]
pub struct UserCaller {
    pub session: Session,
    pub user: users::Model,
    pub(super) live: Live,
}

impl UserCaller {
    pub fn live(&self) -> &Live {
        &self.live
    }
    pub fn any(&self) -> AnyCaller {
        AnyCaller::User(self.clone())
    }
    pub fn id(&self) -> UserId {
        UserId(self.user.id)
    }
    pub fn role(&self) -> Role {
        Role::parse(&self.user.role)
    }
}

/// An agent.
#[derive(Clone, Debug)]
pub struct AgentCaller {
    pub session: Session,
    pub agent: agent::Model,
    pub(super) live: Live,
}

impl AgentCaller {
    pub fn live(&self) -> &Live {
        &self.live
    }
    pub fn any(&self) -> AnyCaller {
        AnyCaller::Agent(self.clone())
    }
    pub fn id(&self) -> AgentId {
        AgentId(self.agent.id)
    }
}

/// A human or an agent.
#[derive(Clone, Debug)]
pub enum AnyCaller {
    User(UserCaller),
    Agent(AgentCaller),
}

/// A human who was marked as operator on the server's host.
#[derive(Clone, Debug)]
pub struct OperatorCaller(pub UserCaller);

impl AnyCaller {
    pub fn session(&self) -> &Session {
        match self {
            Self::User(user) => &user.session,
            Self::Agent(agent) => &agent.session,
        }
    }

    pub(crate) fn set_head(&mut self, is_head: bool) {
        match self {
            Self::User(user) => user.session.is_head = is_head,
            Self::Agent(agent) => agent.session.is_head = is_head,
        }
    }

    pub fn actor(&self) -> Actor {
        match self {
            Self::User(user) => Actor::User(user.id()),
            Self::Agent(agent) => Actor::Agent(agent.id()),
        }
    }

    pub fn live(&self) -> &Live {
        match self {
            Self::User(user) => &user.live,
            Self::Agent(agent) => &agent.live,
        }
    }

    /// The event of something that this caller did, in their organisation's chain.
    pub fn event(&self, action: &'static str, resource: (&'static str, uuid::Uuid)) -> Event {
        let session = self.session();
        Event {
            chain: session.org.0,
            action,
            actor: self.actor(),
            resource: Some(resource),
            outcome: Outcome::Success,
            details: serde_json::Map::new(),
            address: Some(session.address),
        }
    }

    /// Which vaults a list of them may show.
    pub fn visible(&self) -> Visible {
        let facts = &self.live().facts.principal;
        Visible {
            org: self.session().org,
            everything: facts.role.is_some_and(|role| role >= Role::Admin),
            principal: self.actor(),
            binding: facts.binding.clone(),
        }
    }
}

/// What a list query is allowed to find; only a caller makes one.
#[derive(Clone, Debug)]
pub struct Visible {
    pub org: OrgId,
    /// An admin's view of their organisation.
    pub everything: bool,
    pub principal: Actor,
    /// Empty: not bound.
    pub binding: Vec<VaultId>,
}

/// Turns what the lookup proved into the caller that the operation asks for, or refuses.
pub trait FromLive: Sized + Send {
    fn from_live(caller: AnyCaller) -> Result<Self>;
}

impl FromLive for AnyCaller {
    fn from_live(caller: AnyCaller) -> Result<Self> {
        Ok(caller)
    }
}

impl FromLive for UserCaller {
    fn from_live(caller: AnyCaller) -> Result<Self> {
        match caller {
            AnyCaller::User(user) => Ok(user),
            AnyCaller::Agent(_) => Err(Error::forbidden("This operation is for humans, not for agents.")),
        }
    }
}

impl FromLive for AgentCaller {
    fn from_live(caller: AnyCaller) -> Result<Self> {
        match caller {
            AnyCaller::Agent(agent) => Ok(agent),
            AnyCaller::User(_) => Err(Error::forbidden("This operation is for agents, not for humans.")),
        }
    }
}

impl FromLive for OperatorCaller {
    fn from_live(caller: AnyCaller) -> Result<Self> {
        match caller {
            AnyCaller::User(user) if user.user.is_operator => Ok(Self(user)),
            _ => Err(Error::forbidden("This operation is for operators of the server.")),
        }
    }
}

/// An answer whose status tells whether something was made.
pub enum OkOrCreated<T> {
    Ok(T),
    Created(T),
}
