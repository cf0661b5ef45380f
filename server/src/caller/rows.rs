//! The one statement of a request. It reads the tables of other modules, and writes none but when a row was last used.

use super::activity::Used;
use super::conditions::Conditions;
use super::credential::{Credential, KeyKind};
use super::facts::lookup::{Lookup, Nothing};
use super::facts::{AgentFacts, Facts, Found, Live, PrincipalFacts, VaultFacts};
use super::policy::{Ceiling, PolicyFacts};
use super::principal::{AgentCaller, AnyCaller, PersonalKey, Role, Session, UserCaller};
use crate::error::{Error, Result};
use crate::seal::Keyring;
use crate::store::entity::{agent, api_key, organisation, policy, revoked_token, secret_version, users, vault};
use crate::store::{Actor, Change, Lock, Union, Unit, is_authentic, is_disconnected};
use keepward_api::{AgentId, ApiKeyId, OrgId, PathPattern, PolicyId, Timestamp, UserId, VaultId};
use sea_orm::{ConnectionTrait, DbBackend, ModelTrait, Statement, Value};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use uuid::Uuid;

/// What was found, by table, before anybody has looked at it.
#[derive(Default)]
pub struct Rows {
    pub(super) user: Option<users::Model>,
    pub(super) agent: Option<agent::Model>,
    pub(super) organisation: Option<organisation::Model>,
    pub(super) is_revoked: bool,
    pub(super) api_key: Option<api_key::Model>,
    pub(super) policies: Vec<policy::Model>,
    pub(super) vault: Option<vault::Model>,
    pub(super) newest: Option<secret_version::Model>,
    pub(super) target: Option<agent::Model>,
}

/// Which branches a lookup adds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    Nothing,
    Vault,
    Listing { prefixes: usize },
    Secret { prefixes: usize },
    Agent,
}

/// Which branches a credential adds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Proof {
    UserToken { of_key: bool },
    AgentToken,
    UserKey { hashes: usize },
    AgentKey { hashes: usize },
}

pub(super) const USER: i64 = 0;
pub(super) const AGENT: i64 = 1;
pub(super) const ORGANISATION: i64 = 2;
pub(super) const REVOKED: i64 = 3;
pub(super) const API_KEY: i64 = 4;
pub(super) const VAULT: i64 = 5;
pub(super) const POLICY: i64 = 6;
pub(super) const SECRET: i64 = 7;
const TARGET: i64 = 8;

/// Statement texts by what they depend on: few, since prefixes are padded.
type Texts = RwLock<HashMap<(bool, Proof, Shape), (Union, Arc<str>)>>;
static TEXTS: LazyLock<Texts> = LazyLock::new(RwLock::default);

fn marks(from: usize, count: usize) -> String {
    (from..from + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// Composes the statement: the principal's branches, then the lookup's.
fn compose(sqlite: bool, proof: Proof, shape: Shape) -> (Union, String) {
    let mut union = Union::new(sqlite).with::<organisation::Entity>();
    // `principal` and `organisation` are expressions, so that a key's lookup needs no round trip of its own.
    let (principal, organisation, next) = match proof {
        Proof::UserToken { of_key } => {
            union = union.with::<users::Entity>().with::<revoked_token::Entity>();
            if of_key {
                union = union.with::<api_key::Entity>();
            }
            ("$1".to_owned(), "$2".to_owned(), if of_key { 5 } else { 4 })
        }
        Proof::AgentToken => {
            union = union.with::<agent::Entity>().with::<revoked_token::Entity>();
            ("$1".to_owned(), "$2".to_owned(), 4)
        }
        Proof::UserKey { hashes } => {
            union = union.with::<users::Entity>().with::<api_key::Entity>();
            let of =
                |column: &str| format!("(SELECT a.{column} FROM api_key a WHERE a.key_hash IN ({}))", marks(1, hashes));
            (of("user_id"), of("org_id"), hashes + 1)
        }
        Proof::AgentKey { hashes } => {
            union = union.with::<agent::Entity>();
            let of =
                |column: &str| format!("(SELECT a.{column} FROM agent a WHERE a.key_hash IN ({}))", marks(1, hashes));
            (of("id"), of("org_id"), hashes + 1)
        }
    };
    union = match shape {
        Shape::Nothing => union,
        Shape::Vault | Shape::Listing { .. } => union.with::<vault::Entity>().with::<policy::Entity>(),
        Shape::Secret { .. } => union.with::<vault::Entity>().with::<policy::Entity>().with::<secret_version::Entity>(),
        Shape::Agent => union.with::<agent::Entity>(),
    };
    let mut branches = vec![format!("{}t.id = {organisation}", union.branch::<organisation::Entity>(ORGANISATION))];
    match proof {
        Proof::UserToken { of_key } => {
            branches.push(format!("{}t.id = {principal}", union.branch::<users::Entity>(USER)));
            branches.push(format!("{}t.jti = $3", union.branch::<revoked_token::Entity>(REVOKED)));
            if of_key {
                branches.push(format!("{}t.id = $4", union.branch::<api_key::Entity>(API_KEY)));
            }
        }
        Proof::AgentToken => {
            branches.push(format!("{}t.id = {principal}", union.branch::<agent::Entity>(AGENT)));
            branches.push(format!("{}t.jti = $3", union.branch::<revoked_token::Entity>(REVOKED)));
        }
        Proof::UserKey { hashes } => {
            branches.push(format!("{}t.id = {principal}", union.branch::<users::Entity>(USER)));
            branches.push(format!("{}t.key_hash IN ({})", union.branch::<api_key::Entity>(API_KEY), marks(1, hashes)));
        }
        Proof::AgentKey { hashes } => {
            branches.push(format!("{}t.key_hash IN ({})", union.branch::<agent::Entity>(AGENT), marks(1, hashes)));
        }
    }
    let at_vault = format!("${next}");
    let vault_branch = |union: &Union| format!("{}t.id = {at_vault}", union.branch::<vault::Entity>(VAULT));
    let policy_branch = |union: &Union| {
        format!("{}t.vault_id = {at_vault} AND t.principal_id = {principal}", union.branch::<policy::Entity>(POLICY))
    };
    // One will do, however many there are. Whoever gives it a wrong MAC could as well remove them all: it is not looked for
    // another one.
    let live_branch = |union: &Union, now: usize| {
        let policies = policy_branch(union);
        format!("SELECT * FROM ({policies} AND (t.expires_at IS NULL OR t.expires_at > ${now}) LIMIT 1) AS one")
    };
    match shape {
        Shape::Nothing => {}
        Shape::Vault => branches.extend([vault_branch(&union), live_branch(&union, next + 1)]),
        Shape::Listing { prefixes } => {
            let (policies, low, high) = (policy_branch(&union), next + 1, next + 2);
            branches.push(vault_branch(&union));
            branches.push(format!("{policies} AND t.literal_prefix >= ${low} AND t.literal_prefix < ${high}"));
            branches.push(format!("{policies} AND t.literal_prefix IN ({})", marks(next + 3, prefixes)));
            branches.push(live_branch(&union, next + 3 + prefixes));
        }
        Shape::Secret { prefixes } => {
            let path = format!("${}", next + 1);
            branches.push(vault_branch(&union));
            branches.push(format!("{} AND t.literal_prefix IN ({})", policy_branch(&union), marks(next + 2, prefixes)));
            branches.push(format!(
                "{}t.vault_id = {at_vault} AND t.path = {path} AND t.is_newest = TRUE",
                union.branch::<secret_version::Entity>(SECRET),
            ));
        }
        Shape::Agent => branches.push(format!("{}t.id = {at_vault}", union.branch::<agent::Entity>(TARGET))),
    }
    (union, branches.join(" UNION ALL "))
}

fn text(sqlite: bool, proof: Proof, shape: Shape) -> (Union, Arc<str>) {
    let key = (sqlite, proof, shape);
    if let Some((union, text)) = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return (*union, Arc::clone(text));
    }
    let (union, text) = compose(sqlite, proof, shape);
    let text: Arc<str> = text.into();
    TEXTS.write().unwrap_or_else(PoisonError::into_inner).insert(key, (union, Arc::clone(&text)));
    (union, text)
}

fn proof(credential: &Credential) -> Result<(Proof, Vec<Value>)> {
    match credential {
        Credential::Key { kind, hashes } => {
            let values = hashes.iter().cloned().map(Value::from).collect();
            let proof = match kind {
                KeyKind::User => Proof::UserKey { hashes: hashes.len() },
                KeyKind::Agent => Proof::AgentKey { hashes: hashes.len() },
            };
            Ok((proof, values))
        }
        Credential::Token(claims) => {
            let actor = claims.actor().ok_or(NOT_GOOD)?;
            let id = actor.id().unwrap_or_default();
            let mut values: Vec<Value> = vec![id.into(), claims.org.0.into(), claims.jti.into()];
            match (actor, claims.key) {
                (Actor::User(_), Some(key)) => {
                    values.push(key.0.into());
                    Ok((Proof::UserToken { of_key: true }, values))
                }
                (Actor::User(_), None) => Ok((Proof::UserToken { of_key: false }, values)),
                _ => Ok((Proof::AgentToken, values)),
            }
        }
    }
}

/// One text for every way that a credential of the right form can be without force.
const NOT_GOOD: Error = Error::Unauthenticated { detail: "The credential is not valid any more; get a new one." };

/// Runs the one statement and answers the caller, if their credential is good now, and what they looked up.
pub async fn load<L: Lookup>(
    connection: &impl ConnectionTrait,
    keyring: &Keyring,
    credential: &Arc<Credential>,
    lookup: Option<&L>,
    now: Timestamp,
    address: IpAddr,
) -> Result<(AnyCaller, Option<Found<L>>)> {
    let (proof, mut values) = proof(credential)?;
    let shape = lookup.map_or_else(|| Nothing.shape(), Lookup::shape);
    values.extend(lookup.map(Lookup::values).unwrap_or_default());
    if matches!(shape, Shape::Vault | Shape::Listing { .. }) {
        values.push(now.microseconds().into());
    }
    let backend = connection.get_database_backend();
    let (union, text) = text(backend == DbBackend::Sqlite, proof, shape);
    let results = query_again(connection, || Statement::from_sql_and_values(backend, &*text, values.clone())).await?;
    let mut rows = read(union, results)?;
    rows.keep_authentic(keyring);
    conclude(rows, credential, lookup, now, address)
}

/// Runs a statement that changes nothing; once more, if its connection was cut off since its last use. (In a transaction
/// the second try fails as well.)
pub(super) async fn query_again(
    connection: &impl ConnectionTrait,
    statement: impl Fn() -> Statement,
) -> Result<Vec<sea_orm::QueryResult>> {
    match connection.query_all_raw(statement()).await {
        Err(error) if is_disconnected(&error) => Ok(connection.query_all_raw(statement()).await?),
        results => Ok(results?),
    }
}

/// Runs a statement inside a transaction.
pub(super) async fn query_on(
    connection: &impl ConnectionTrait,
    text: &str,
    values: &[Value],
) -> Result<Vec<sea_orm::QueryResult>> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), text, values.iter().cloned());
    Ok(connection.query_all_raw(statement).await?)
}

/// A row of a branch that the statement does not have.
pub(super) fn unexpected(tag: i64) -> Error {
    Error::internal(format!("a row of branch {tag}"))
}

/// The caller, if what was found says that their credential is good now, and what they looked up. The rows are authentic.
pub(super) fn conclude<L: Lookup>(
    mut rows: Rows,
    credential: &Arc<Credential>,
    lookup: Option<&L>,
    now: Timestamp,
    address: IpAddr,
) -> Result<(AnyCaller, Option<Found<L>>)> {
    let key = rows.api_key.as_ref().map(personal_key).transpose()?;
    let (principal, proven) = prove(&mut rows, credential, now)?;
    let session = Session {
        org: principal.org,
        ceiling: principal.ceiling.clone(),
        claims: credential.claims().cloned(),
        key,
        address,
        now,
        is_head: false,
    };
    let facts = Arc::new(rows.facts(principal));
    let live = Live { facts, credential: Arc::clone(credential), now, address };
    let caller = match proven {
        Proven::User(user) => AnyCaller::User(UserCaller { session, user, live: live.clone() }),
        Proven::Agent(agent) => AnyCaller::Agent(AgentCaller { session, agent, live: live.clone() }),
    };
    let found = lookup.map(|lookup| Found::new(lookup.clone(), live, lookup.take(&mut rows)));
    Ok((caller, found))
}

fn read(union: Union, results: Vec<sea_orm::QueryResult>) -> Result<Rows> {
    let mut rows = Rows::default();
    for row in &results {
        match Union::tag(row)? {
            USER => rows.user = Some(union.model::<users::Entity>(row)?),
            AGENT => rows.agent = Some(union.model::<agent::Entity>(row)?),
            ORGANISATION => rows.organisation = Some(union.model::<organisation::Entity>(row)?),
            REVOKED => rows.is_revoked = true,
            API_KEY => rows.api_key = Some(union.model::<api_key::Entity>(row)?),
            VAULT => rows.vault = Some(union.model::<vault::Entity>(row)?),
            POLICY => rows.policies.push(union.model::<policy::Entity>(row)?),
            SECRET => rows.newest = Some(union.model::<secret_version::Entity>(row)?),
            TARGET => rows.target = Some(union.model::<agent::Entity>(row)?),
            other => return Err(unexpected(other)),
        }
    }
    Ok(rows)
}

fn authentic<M: ModelTrait>(keyring: &Keyring, row: &mut Option<M>)
where
    M::Entity: Default,
{
    if row.as_ref().is_some_and(|row| !is_authentic(&keyring.sub_keys.row, row)) {
        *row = None;
    }
}

impl Rows {
    /// A row whose MAC is wrong is an absent row.
    fn keep_authentic(&mut self, keyring: &Keyring) {
        authentic(keyring, &mut self.user);
        authentic(keyring, &mut self.agent);
        authentic(keyring, &mut self.organisation);
        authentic(keyring, &mut self.api_key);
        authentic(keyring, &mut self.vault);
        authentic(keyring, &mut self.target);
        self.policies.retain(|policy| is_authentic(&keyring.sub_keys.row, policy));
    }

    /// What decides; what belongs to another organisation than the principal's is not there.
    fn facts(&mut self, principal: PrincipalFacts) -> Facts {
        let org = principal.org.0;
        self.vault.take_if(|vault| vault.org_id != org);
        self.target.take_if(|agent| agent.org_id != org);
        let vault = self.vault.as_ref().map(|vault| VaultFacts {
            id: VaultId(vault.id),
            org: OrgId(vault.org_id),
            created_by: match vault.created_by_type.as_str() {
                "agent" => Actor::Agent(AgentId(vault.created_by)),
                _ => Actor::User(UserId(vault.created_by)),
            },
        });
        let kind = principal.actor.kind();
        let policies = std::mem::take(&mut self.policies).into_iter();
        let policies =
            policies.filter(|policy| policy.principal_type == kind && policy.org_id == org).filter_map(|policy| {
                Some(PolicyFacts {
                    id: PolicyId(policy.id),
                    pattern: policy.pattern.parse().ok()?,
                    permissions: policy.permissions,
                    conditions: Conditions::stored(&policy.conditions),
                    expires_at: policy.expires_at.map(Timestamp::from_microseconds),
                })
            });
        let policies = policies.collect();
        let agent = self.target.as_ref();
        let agent = agent.map(|agent| AgentFacts { id: AgentId(agent.id), created_by: agent.created_by.map(UserId) });
        Facts { principal, vault, policies, agent }
    }
}

fn list<T: serde::de::DeserializeOwned>(json: &str) -> Result<Vec<T>> {
    serde_json::from_str(json).map_err(Error::internal)
}

fn personal_key(key: &api_key::Model) -> Result<PersonalKey> {
    Ok(PersonalKey {
        id: ApiKeyId(key.id),
        scopes: list(&key.scopes)?,
        expires_at: key.expires_at.map(Timestamp::from_microseconds),
    })
}

/// The row of whoever proved to be the caller.
enum Proven {
    User(users::Model),
    Agent(agent::Model),
}

/// Whether the credential is good now, and whose it is.
fn prove(rows: &mut Rows, credential: &Credential, now: Timestamp) -> Result<(PrincipalFacts, Proven)> {
    let claims = credential.claims();
    let is_known = rows.user.is_some() || rows.agent.is_some();
    let organisation = match rows.organisation.take() {
        Some(organisation) if organisation.is_active => organisation,
        // The row of a proven caller's organisation was edited by hand: it is not there.
        None if is_known => return Err(Error::NotFound { what: "organisation" }),
        _ => return Err(NOT_GOOD),
    };
    let current = |generation: i64, org: uuid::Uuid| {
        org == organisation.id && claims.is_none_or(|claims| claims.generation == generation && claims.org.0 == org)
    };
    if rows.is_revoked {
        return Err(NOT_GOOD);
    }
    let ended = |end: Option<i64>| end.is_some_and(|end| end <= now.microseconds());
    let org = OrgId(organisation.id);
    if let Some(user) = rows.user.take().filter(|user| user.is_active && current(user.generation, user.org_id)) {
        let key = rows.api_key.take();
        let key_id = key.as_ref().map(|key| ApiKeyId(key.id));
        let ceiling = match (key, claims.is_some_and(|claims| claims.key.is_none())) {
            (None, true) => Ceiling::Open,
            (Some(key), _)
                if key.is_active && !ended(key.expires_at) && key.user_id == user.id && key.org_id == org.0 =>
            {
                Ceiling::of(&list::<String>(&key.scopes)?)
            }
            _ => return Err(NOT_GOOD),
        };
        let principal = PrincipalFacts {
            actor: Actor::User(UserId(user.id)),
            key: key_id,
            org,
            role: Some(Role::parse(&user.role)),
            ceiling,
            binding: Vec::new(),
            intents: false,
        };
        return Ok((principal, Proven::User(user)));
    }
    let agent = rows.agent.take().filter(|agent| agent.is_active && current(agent.generation, agent.org_id));
    let agent = agent.ok_or(NOT_GOOD)?;
    if ended(agent.credentials_end().map_err(Error::internal)?) {
        return Err(NOT_GOOD);
    }
    let ceiling = Ceiling::of(&list::<String>(&agent.scopes)?);
    let principal = PrincipalFacts {
        actor: Actor::Agent(AgentId(agent.id)),
        key: None,
        org,
        role: None,
        ceiling,
        binding: list(&agent.vault_ids)?,
        intents: agent.intents_api_enabled,
    };
    Ok((principal, Proven::Agent(agent)))
}

/// Writes the columns that no MAC covers.
pub(super) struct WriteActivity(pub(super) Used);

impl Change for WriteActivity {
    type Output = ();
    fn locks(&self) -> Vec<Lock> {
        // In no MAC, and the newest of two servers' times is as good as the other.
        Vec::new()
    }
    async fn apply(&self, unit: &mut Unit<'_>) -> Result<()> {
        let Used { agents, keys } = &self.0;
        write_times(unit, "agent", "last_active_at", agents.iter().map(|(id, time)| (*id, *time)).collect()).await?;
        write_times(unit, "api_key", "last_used_at", keys.iter().map(|(id, time)| (*id, *time)).collect()).await
    }
}

/// Times of many rows in few statements: everybody's writes wait behind this unit.
async fn write_times(unit: &mut Unit<'_>, table: &str, column: &str, mut times: Vec<(Uuid, Timestamp)>) -> Result<()> {
    const MOST: usize = 256;
    while !times.is_empty() {
        // Powers of two, so that there are few texts.
        let count = MOST.min(1 << times.len().ilog2());
        let rows = (0..count).map(|n| format!("(${}, ${})", 2 * n + 1, 2 * n + 2)).collect::<Vec<_>>().join(", ");
        let text = format!(
            "WITH v (id, used) AS (VALUES {rows}) UPDATE {table} SET {column} = v.used FROM v WHERE {table}.id = v.id"
        );
        let values = times.drain(..count).flat_map(|(id, time)| [id.into(), time.microseconds().into()]);
        let values: Vec<Value> = values.collect();
        let connection = unit.connection();
        let backend = connection.get_database_backend();
        connection.execute_raw(Statement::from_sql_and_values(backend, text, values)).await?;
    }
    Ok(())
}

/// Scopes of agents and personal keys that earlier versions stored, that hold `/` or `*` and limit nothing, since they are no
/// globs: what they are of, its id, and the scope.
pub async fn loose_scopes(connection: &impl ConnectionTrait) -> Result<Vec<(&'static str, Uuid, String)>> {
    const ASK: &str = "SELECT 'agent' AS kind, id, scopes FROM agent WHERE scopes LIKE '%/%' OR scopes LIKE '%*%' \
        UNION ALL SELECT 'key' AS kind, id, scopes FROM api_key WHERE scopes LIKE '%/%' OR scopes LIKE '%*%'";
    let mut loose = Vec::new();
    for row in connection.query_all_raw(Statement::from_string(connection.get_database_backend(), ASK)).await? {
        let (kind, id, scopes): (String, Uuid, String) =
            (row.try_get("", "kind")?, row.try_get("", "id")?, row.try_get("", "scopes")?);
        let kind = if kind == "agent" { "agent" } else { "API key" };
        let is_loose = |scope: &String| scope.contains(['/', '*']) && scope.parse::<PathPattern>().is_err();
        loose.extend(list::<String>(&scopes)?.into_iter().filter(is_loose).map(|scope| (kind, id, scope)));
    }
    Ok(loose)
}
