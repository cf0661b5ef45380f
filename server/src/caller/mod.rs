//! Who is calling, and may they.
//!
//! A request's credential is verified by form and signature; one statement then brings everything that decides (the
//! principal, its organisation, revocation, the vault, policies) together with the row that is asked for. [`policy::may`]
//! decides from facts alone and answers a [`Grant`], without which no row is released, no body read and nothing written.

mod activity;
mod batch;
pub mod conditions;
mod credential;
mod facts;
mod grant;
mod limits;
mod logins;
mod password;
pub mod policy;
mod principal;
mod recent;
mod rows;
mod tokens;

pub use activity::Activity;
pub use batch::{Lookups, UnitLookups};
pub use credential::{Credential, KeyKind, NewKey, hash_key, new_key, parse_bearer};
pub use facts::{Facts, Found, Live, Pending, lookup};
pub use grant::{Grant, Unread, action};
pub use limits::{Limits, Rate, Wait, network};
pub use logins::Logins;
pub use password::{Passwords, check_rule};
pub use principal::{
    AgentCaller, AnyCaller, CallerKind, FromLive, OkOrCreated, OperatorCaller, PersonalKey, Role, Session, UserCaller,
    Visible, Visitor,
};
pub use rows::{load, loose_scopes};
pub use tokens::{AGENT_TOKEN_SECONDS, Claims, IssuedToken, Tokens, USER_TOKEN_SECONDS};
