//! Whether what a request costs stays the same when there is much more of everything.

use crate::measure::{Series, get, measure};
use crate::print;
use crate::world::{World, agent_token};
use keepward::VaultId;
use keepward::types::PolicyPermission::Read;
use keepward_tests::Organisation;
use sea_orm::{ConnectionTrait, Database, DbBackend};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How much of everything there is.
struct Size {
    secrets: usize,
    agents: usize,
    policies_an_agent: usize,
    prefixes: usize,
}

const LARGE: Size = Size { secrets: 100_000, agents: 1_000, policies_an_agent: 10, prefixes: 10_000 };
const SMALL: Size = Size { secrets: 100, agents: 1, policies_an_agent: 1, prefixes: 1 };
/// Secrets of a list; as many stand in each folder.
const FOLDER: usize = 100;
const AT_ONCE: usize = 64;

/// Does something so many times, some of it at once.
async fn each<F>(count: usize, what: impl Fn(usize) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send,
{
    let what = Arc::new(what);
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|first| {
            let what = Arc::clone(&what);
            tokio::spawn(async move {
                for n in (first..count).step_by(AT_ONCE) {
                    what(n).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn secret_path(n: usize) -> String {
    format!("load/folder{}/{n}", n / FOLDER)
}

/// What the measurements need of a server that has been filled.
async fn fill(url: &str, size: Size) -> Value {
    let world = World::on(url).await;
    let owner = world.organisation.owner.clone();
    let (vault, key) = (world.vault, world.owner_key.clone());
    let client = keepward_tests::builder(url).token(key.clone()).build().unwrap();
    let writer = client.clone();
    each(size.secrets, move |n| {
        let client = writer.clone();
        async move {
            client.secrets().put(vault, secret_path(n).as_str(), "x".repeat(100)).await.unwrap();
        }
    })
    .await;
    // Many agents with some policies each, in one vault.
    let shared = owner.vaults().create("shared").await.unwrap().id;
    client.secrets().put(shared, "shared/secret", "x".repeat(100)).await.unwrap();
    let (granter, per_agent) = (client.clone(), size.policies_an_agent);
    each(size.agents - 1, move |n| {
        let client = granter.clone();
        async move {
            let agent = client.agents().register(format!("agent-{n}").as_str()).await.unwrap().agent.id;
            for m in 0..per_agent {
                client.policies().grant(shared, format!("of/{n}/{m}/**").as_str(), agent, [Read]).await.unwrap();
            }
        }
    })
    .await;
    let (agent, one_of_many) = world.organisation.agent().await;
    world.organisation.grant(shared, "shared/*", agent, &[Read]).await;
    // One agent with many policies, each with a prefix of its own.
    let own = owner.vaults().create("prefixes").await.unwrap().id;
    let (agent, of_many_policies) = world.organisation.agent().await;
    let granter = client.clone();
    each(size.prefixes, move |n| {
        let client = granter.clone();
        async move {
            client.policies().grant(own, format!("p{n}/**").as_str(), agent, [Read]).await.unwrap();
        }
    })
    .await;
    client.secrets().put(own, "p0/secret", "x".repeat(100)).await.unwrap();
    json!({
        "organisation": world.organisation.id,
        "owner_key": key,
        "secrets": size.secrets,
        "vault": vault,
        "agent_key": world.agent_key,
        "shared": shared,
        "one_of_many": one_of_many.expose(),
        "own": own,
        "of_many_policies": of_many_policies.expose(),
    })
}

pub async fn grow(url: &str, state: &str) {
    std::fs::write(state, fill(url, LARGE).await.to_string()).unwrap();
}

fn read_state(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Puts events at the end of an organisation's chain, without their hashes: no server runs, and none verifies them. They
/// are of a thousand actors and resources, as if each had come in its turn.
pub async fn add_events(url: &str, state: &str, count: u64) {
    let state = read_state(state);
    let organisation = state["organisation"].as_str().unwrap();
    let database = Database::connect(url).await.unwrap();
    let sqlite = database.get_database_backend() == DbBackend::Sqlite;
    const COLUMNS: &str = "org_id, sequence, id, action, actor_type, actor_id, resource_type, resource_id, outcome, details, ip_address, created_at, prev_event_id, integrity_hash, mac";
    let details = r#"'{"path":"load/secret","vault_id":"01a20eb6-a801-7754-9f32-de69663b334f","version":1}'"#;
    let statements = if sqlite {
        let id = format!("x'{}'", organisation.replace('-', ""));
        let of = |n: &str| {
            format!(
                "substr(x'01a20eb6a80177549f32de69663b334f', 1, 12) || char(65 + {n} % 10, 65 + {n} / 10 % 10, 65 + {n} / 100 % 10, 65)"
            )
        };
        vec![
            "PRAGMA synchronous = OFF".to_owned(),
            format!(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
                INSERT INTO audit_event ({COLUMNS})
                SELECT {id}, h.sequence + n, randomblob(16), 'secret.read', 'agent', CAST({} AS BLOB), 'secret', CAST({} AS BLOB), 'success', {details}, '127.0.0.1', h.created_at + n, randomblob(16), randomblob(32), randomblob(32)
                FROM n CROSS JOIN audit_head h WHERE h.org_id = {id}",
                of("n"),
                of("(n * 7)"),
            ),
            format!("UPDATE audit_head SET sequence = sequence + {count}, created_at = created_at + {count} WHERE org_id = {id}"),
            // On the disk, as a server would have left it: whoever syncs the file next would write all of it.
            "PRAGMA synchronous = FULL".to_owned(),
            "PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
        ]
    } else {
        let id = format!("CAST('{organisation}' AS uuid)");
        let of =
            |n: &str| format!("CAST('01a20eb6-a801-7754-9f32-00000000' || lpad(({n} % 1000)::text, 4, '0') AS uuid)");
        vec![
            format!(
                "INSERT INTO audit_event ({COLUMNS})
                SELECT {id}, h.sequence + n, gen_random_uuid(), 'secret.read', 'agent', {}, 'secret', {}, 'success', {details}, '127.0.0.1', h.created_at + n, gen_random_uuid(), decode(md5(n::text) || md5(n::text), 'hex'), decode(md5(n::text) || md5(n::text), 'hex')
                FROM audit_head h, generate_series(1, {count}) n WHERE h.org_id = {id}",
                of("n"),
                of("(n * 7)"),
            ),
            format!("UPDATE audit_head SET sequence = sequence + {count}, created_at = created_at + {count} WHERE org_id = {id}"),
            "VACUUM ANALYZE audit_event".to_owned(),
            "CHECKPOINT".to_owned(),
        ]
    };
    for statement in statements {
        database.execute_unprepared(&statement).await.unwrap();
    }
    database.close().await.unwrap();
}

/// How often each is measured on either server, in turns.
const TURNS: usize = 9;

/// A server with the agents of its state.
struct Filled {
    url: String,
    state: Value,
    reader: String,
    one_of_many: String,
    of_many_policies: String,
}

impl Filled {
    async fn new(url: &str, state: Value) -> Self {
        let organisation = Organisation::on(url).await;
        let token = async |name: &str| agent_token(&organisation, state[name].as_str().unwrap()).await;
        let (reader, one_of_many) = (token("agent_key").await, token("one_of_many").await);
        let of_many_policies = token("of_many_policies").await;
        Self { url: url.to_owned(), state, reader, one_of_many, of_many_policies }
    }

    fn vault(&self, name: &str) -> VaultId {
        self.state[name].as_str().unwrap().parse().unwrap()
    }

    /// The requests that are compared, by name.
    fn request(&self, name: &str) -> impl Fn(usize, u64) -> Vec<u8> + Clone + Send + 'static {
        let secrets = usize::try_from(self.state["secrets"].as_u64().unwrap()).unwrap();
        let (vault, shared, own) = (self.vault("vault"), self.vault("shared"), self.vault("own"));
        let owner = self.state["owner_key"].as_str().unwrap();
        let (path, is_spread, token) = match name {
            READ => (format!("/v1/vaults/{vault}/secrets/"), true, self.reader.as_str()),
            LIST => (format!("/v1/vaults/{vault}/secrets?prefix=load/folder0/"), false, self.reader.as_str()),
            AGENTS => (format!("/v1/vaults/{shared}/secrets/shared/secret"), false, self.one_of_many.as_str()),
            POLICIES => (format!("/v1/vaults/{own}/secrets/p0/secret"), false, self.of_many_policies.as_str()),
            LIST_POLICIES => (format!("/v1/vaults/{own}/secrets?prefix=p0/"), false, self.of_many_policies.as_str()),
            ACTION => ("/v1/audit/events?limit=100&action=secret.write".to_owned(), false, owner),
            TIME => ("/v1/audit/events?limit=100&to=2090-01-01T00:00:00Z".to_owned(), false, owner),
            _ => panic!("{name}"),
        };
        let token = token.to_owned();
        move |connection: usize, n: u64| {
            // Another one each time, all over the vault.
            let number = (connection as u64 * 104_729 + n % 1_000_003 * 7_919) as usize % secrets;
            let end = if is_spread { secret_path(number) } else { String::new() };
            get(&format!("{path}{end}"), &token)
        }
    }
}

const READ: &str = "read of one among the secrets";
const LIST: &str = "list of 100 among the secrets";
const AGENTS: &str = "read by one among the agents";
const POLICIES: &str = "read under one among the policies";
const LIST_POLICIES: &str = "list under one among the policies";
const ACTION: &str = "newest 100 events of an action";
const TIME: &str = "newest 100 events until a time";

pub async fn compare(small: &str, large: &str, state: &str) {
    let small = Filled::new(small, fill(small, SMALL).await).await;
    let large = Filled::new(large, read_state(state)).await;
    let series =
        Series { warm_up: Duration::from_millis(500), measured: Duration::from_secs(2), repeats: 1, ..Series::USUAL };
    for name in [READ, LIST, AGENTS, POLICIES, LIST_POLICIES, ACTION, TIME] {
        // A machine whose speed changes within minutes is the same one for both rates of a turn: the middle of their ratios.
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            let mut rates = [0.0; 2];
            for (filled, rate) in [&small, &large].into_iter().zip(&mut rates) {
                let measured = measure(name, &filled.url, series, filled.request(name)).await;
                *rate = measured["per_second"].as_f64().unwrap();
            }
            turns.push((rates[0] / rates[1], rates));
        }
        turns.sort_by(|one, other| one.0.total_cmp(&other.0));
        let hundredths = |times: f64| (times * 100.0).round() / 100.0;
        let (times, [small, large]) = turns[TURNS / 2];
        print(&json!({
            "name": name, "small_per_second": small, "per_second": large, "times": hundredths(times),
            "least_times": hundredths(turns[0].0), "most_times": hundredths(turns[TURNS - 1].0),
        }));
    }
}
