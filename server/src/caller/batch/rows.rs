//! The statement of many lookups. It reads the tables of other modules, and writes none.

use crate::caller::facts::lookup::Place;
use crate::caller::rows::{AGENT, API_KEY, ORGANISATION, POLICY, REVOKED, Rows, SECRET, USER, VAULT, unexpected};
use crate::caller::tokens::Claims;
use crate::error::Result;
use crate::seal::Keyring;
use crate::store::entity::{agent, api_key, organisation, policy, revoked_token, secret_version, users, vault};
use crate::store::{Actor, Union, is_authentic, mark};
use sea_orm::{DbBackend, ModelTrait, QueryResult, Value};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use uuid::Uuid;

/// What one request asks: whose token it is, and where in a vault they want to go.
pub(in crate::caller) struct Ask {
    principal: Actor,
    id: Uuid,
    org: Uuid,
    jti: Uuid,
    key: Option<Uuid>,
    place: Option<Place>,
}

impl Ask {
    /// `None` of a token that is nobody's.
    pub(super) fn new(claims: &Claims, place: Option<Place>) -> Option<Self> {
        let principal = claims.actor()?;
        let (id, key) = (principal.id()?, claims.key.map(|key| key.0));
        Some(Self { principal, id, org: claims.org.0, jti: claims.jti, key, place })
    }
}

/// Statements under way at once. While PostgreSQL works on one, the answers of the other are given out; SQLite would take
/// the same processors for two smaller ones.
pub(super) fn workers(backend: DbBackend) -> usize {
    match backend {
        DbBackend::Sqlite => 1,
        _ => 2,
    }
}

/// How many of what a statement asks for; each a power of two, so that few texts serve all batches.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Size {
    sqlite: bool,
    principals: usize,
    places: usize,
    prefixes: usize,
}

/// Texts by their size.
type Texts = RwLock<HashMap<Size, (Union, Arc<str>)>>;
static TEXTS: LazyLock<Texts> = LazyLock::new(RwLock::default);

/// `(values), (values), ...`, each of `width` values, from the `next` on.
fn tuples(sqlite: bool, next: &mut usize, count: usize, width: usize) -> String {
    let mut one = || {
        let marks: Vec<String> = (0..width).map(|n| mark(sqlite, *next + n)).collect();
        *next += width;
        format!("({})", marks.join(", "))
    };
    (0..count).map(|_| one()).collect::<Vec<_>>().join(", ")
}

fn compose(size: Size) -> (Union, String) {
    let union = Union::new(size.sqlite)
        .with::<organisation::Entity>()
        .with::<users::Entity>()
        .with::<agent::Entity>()
        .with::<api_key::Entity>()
        .with::<revoked_token::Entity>();
    let union = match size.places {
        0 => union,
        _ => union.with::<vault::Entity>().with::<policy::Entity>().with::<secret_version::Entity>(),
    };
    let mut next = 1;
    // Joined, and in this order, so that each value is one search of an index on either database.
    let mut by = |select: String, columns: &[&str], count: usize, join: &str| {
        let values = tuples(size.sqlite, &mut next, count, columns.len());
        let on: Vec<String> = columns.iter().zip(1..).map(|(column, n)| format!("{column} = k.column{n}")).collect();
        format!("{select} FROM (VALUES {values}) AS k CROSS JOIN {join} WHERE {}", on.join(" AND "))
    };
    let n = size.principals;
    let mut branches = vec![
        by(union.select::<organisation::Entity>(ORGANISATION), &["t.id"], n, "organisation t"),
        by(union.select::<users::Entity>(USER), &["t.id"], n, "users t"),
        by(union.select::<agent::Entity>(AGENT), &["t.id"], n, "agent t"),
        by(union.select::<revoked_token::Entity>(REVOKED), &["t.jti"], n, "revoked_token t"),
        by(union.select::<api_key::Entity>(API_KEY), &["t.id"], n, "api_key t"),
    ];
    if size.places > 0 {
        let at = ["t.vault_id", "t.path"];
        let policy = ["t.vault_id", "t.principal_id", "t.literal_prefix"];
        branches.extend([
            by(union.select::<vault::Entity>(VAULT), &["t.id"], size.places, "vault t"),
            by(union.select::<secret_version::Entity>(SECRET), &at, size.places, "secret_version t")
                + " AND t.is_newest = TRUE",
            by(union.select::<policy::Entity>(POLICY), &policy, size.prefixes, "policy t"),
        ]);
    }
    (union, branches.join(" UNION ALL "))
}

fn text(size: Size) -> (Union, Arc<str>) {
    if let Some((union, text)) = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&size) {
        return (*union, Arc::clone(text));
    }
    let (union, text) = compose(size);
    let text: Arc<str> = text.into();
    TEXTS.write().unwrap_or_else(PoisonError::into_inner).insert(size, (union, Arc::clone(&text)));
    (union, text)
}

/// Distinct keys, in the order in which they were first seen.
fn distinct<K: std::hash::Hash + Eq + Copy>(keys: impl IntoIterator<Item = K>) -> Vec<K> {
    let mut seen = HashSet::new();
    keys.into_iter().filter(|key| seen.insert(*key)).collect()
}

/// Ids, padded with such as match nothing.
fn push_ids(values: &mut Vec<Value>, ids: &[Uuid], count: usize) {
    values.extend(ids.iter().map(|id| Value::from(*id)));
    values.extend(std::iter::repeat_n(Value::Uuid(None), count - ids.len()));
}

/// What was found, by key, each row once and only if its MAC is right.
#[derive(Default)]
struct Fetched {
    organisations: HashMap<Uuid, organisation::Model>,
    users: HashMap<Uuid, users::Model>,
    agents: HashMap<Uuid, agent::Model>,
    revoked: HashSet<Uuid>,
    keys: HashMap<Uuid, api_key::Model>,
    vaults: HashMap<Uuid, vault::Model>,
    policies: HashMap<Uuid, policy::Model>,
    secrets: HashMap<(Uuid, String), secret_version::Model>,
}

/// The one statement of a batch.
pub(super) struct Query<'a> {
    asks: &'a [Ask],
    union: Union,
    pub(super) text: Arc<str>,
    pub(super) values: Vec<Value>,
}

impl<'a> Query<'a> {
    pub(super) fn new(backend: DbBackend, asks: &'a [Ask]) -> Self {
        let (union, text, values) = statement(backend == DbBackend::Sqlite, asks);
        Self { asks, union, text, values }
    }

    /// What each ask found, in their order.
    pub(super) fn answers(&self, keyring: &Keyring, results: Vec<QueryResult>) -> Result<Vec<Rows>> {
        let fetched = read(self.union, results, keyring)?;
        Ok(self.asks.iter().map(|ask| fetched.of(ask)).collect())
    }
}

/// The statement and its values. Both depend on what is asked, and on nothing that is stored.
fn statement(sqlite: bool, asks: &[Ask]) -> (Union, Arc<str>, Vec<Value>) {
    let is_user = |ask: &&Ask| matches!(ask.principal, Actor::User(_));
    let ids = [
        distinct(asks.iter().map(|ask| ask.org)),
        distinct(asks.iter().filter(is_user).map(|ask| ask.id)),
        distinct(asks.iter().filter(|ask| !is_user(ask)).map(|ask| ask.id)),
        distinct(asks.iter().map(|ask| ask.jti)),
        distinct(asks.iter().filter_map(|ask| ask.key)),
    ];
    let placed = || asks.iter().filter_map(|ask| Some((ask, ask.place.as_ref()?)));
    let vaults = distinct(placed().map(|(_, place)| place.vault));
    let places = distinct(placed().map(|(_, place)| (place.vault, place.path.as_str())));
    let prefixes =
        placed().flat_map(|(ask, place)| place.prefixes().into_iter().map(|prefix| (place.vault, ask.id, prefix)));
    let prefixes = distinct(prefixes);
    let padded = |count: usize| if count == 0 { 0 } else { count.next_power_of_two() };
    let size = Size {
        sqlite,
        principals: padded(ids.iter().map(Vec::len).max().unwrap_or(1)),
        places: padded(places.len()),
        prefixes: padded(prefixes.len()),
    };
    let mut values = Vec::with_capacity(5 * size.principals + 3 * size.places + 3 * size.prefixes);
    for ids in &ids {
        push_ids(&mut values, ids, size.principals);
    }
    push_ids(&mut values, &vaults, size.places);
    values.extend(places.iter().flat_map(|(vault, path)| [Value::from(*vault), Value::from(*path)]));
    let nowhere = (0..size.places - places.len()).flat_map(|_| [Value::Uuid(None), Value::String(None)]);
    values.extend(nowhere);
    for (vault, principal, prefix) in &prefixes {
        values.extend([Value::from(*vault), Value::from(*principal), Value::from(*prefix)]);
    }
    let nothing =
        (0..size.prefixes - prefixes.len()).flat_map(|_| [Value::Uuid(None), Value::Uuid(None), Value::String(None)]);
    values.extend(nothing);
    let (union, text) = text(size);
    (union, text, values)
}

/// The row, unless its MAC is wrong.
fn authentic<M: ModelTrait>(keyring: &Keyring, row: M) -> Option<M>
where
    M::Entity: Default,
{
    is_authentic(&keyring.sub_keys.row, &row).then_some(row)
}

fn read(union: Union, results: Vec<QueryResult>, keyring: &Keyring) -> Result<Fetched> {
    let mut found = Fetched::default();
    for row in &results {
        match Union::tag(row)? {
            ORGANISATION => {
                let row = authentic(keyring, union.model::<organisation::Entity>(row)?);
                found.organisations.extend(row.map(|row| (row.id, row)));
            }
            USER => {
                let row = authentic(keyring, union.model::<users::Entity>(row)?);
                found.users.extend(row.map(|row| (row.id, row)));
            }
            AGENT => {
                let row = authentic(keyring, union.model::<agent::Entity>(row)?);
                found.agents.extend(row.map(|row| (row.id, row)));
            }
            REVOKED => {
                found.revoked.insert(union.model::<revoked_token::Entity>(row)?.jti);
            }
            API_KEY => {
                let row = authentic(keyring, union.model::<api_key::Entity>(row)?);
                found.keys.extend(row.map(|row| (row.id, row)));
            }
            VAULT => {
                let row = authentic(keyring, union.model::<vault::Entity>(row)?);
                found.vaults.extend(row.map(|row| (row.id, row)));
            }
            POLICY => {
                let row = authentic(keyring, union.model::<policy::Entity>(row)?);
                found.policies.extend(row.map(|row| (row.id, row)));
            }
            SECRET => {
                let row = union.model::<secret_version::Entity>(row)?;
                found.secrets.insert((row.vault_id, row.path.clone()), row);
            }
            other => return Err(unexpected(other)),
        }
    }
    Ok(found)
}

impl Fetched {
    /// What one ask found.
    fn of(&self, ask: &Ask) -> Rows {
        let mut rows = Rows {
            organisation: self.organisations.get(&ask.org).cloned(),
            is_revoked: self.revoked.contains(&ask.jti),
            api_key: ask.key.and_then(|key| self.keys.get(&key).cloned()),
            ..Rows::default()
        };
        match ask.principal {
            Actor::User(_) => rows.user = self.users.get(&ask.id).cloned(),
            _ => rows.agent = self.agents.get(&ask.id).cloned(),
        }
        if let Some(place) = &ask.place {
            rows.vault = self.vaults.get(&place.vault).cloned();
            let prefixes = place.prefixes();
            let can_match = |policy: &&policy::Model| {
                policy.vault_id == place.vault
                    && policy.principal_id == ask.id
                    && prefixes.contains(&policy.literal_prefix.as_str())
            };
            rows.policies = self.policies.values().filter(can_match).cloned().collect();
            rows.newest = self.secrets.get(&(place.vault, place.path.clone())).cloned();
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a path is there or not, its text and the number of its values are those of any other path.
    #[test]
    fn paths_of_one_depth_have_one_statement() {
        let ask = |path: &str| Ask {
            principal: Actor::Agent(Uuid::from_u128(1).into()),
            id: Uuid::from_u128(1),
            org: Uuid::from_u128(2),
            jti: Uuid::from_u128(3),
            key: None,
            place: Some(Place { vault: Uuid::from_u128(4), path: path.to_owned() }),
        };
        let (_, text, values) = statement(true, &[ask("a/b")]);
        let (_, other_text, other_values) = statement(true, &[ask("never/was")]);
        assert_eq!((text, values.len()), (other_text, other_values.len()));
    }

    #[test]
    fn values_are_numbered_through() {
        let size = Size { sqlite: false, principals: 2, places: 1, prefixes: 4 };
        let (_, text) = compose(size);
        let last = 5 * 2 + 1 + 2 + 4 * 3;
        for n in 1..=last {
            assert_eq!(text.matches(&format!("${n},")).count() + text.matches(&format!("${n})")).count(), 1, "${n}");
        }
        assert!(!text.contains(&format!("${}", last + 1)));
        let (_, text) = compose(Size { sqlite: true, ..size });
        assert_eq!(text.matches('?').count(), last);
    }
}
