//! A bit of everything, at a steady rate.

use crate::world::{World, agent_token};
use keepward_tests::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TASKS: u32 = 24;
/// Paths that are written over and over.
const PATHS: u64 = 200;

/// Runs for so long; what was answered, by operation and status. An answer that is not as it should be ends it.
pub async fn run(url: &str, duration: Duration, rate: f64) -> Value {
    let world = Arc::new(World::on(url).await);
    let end = Instant::now() + duration;
    let pause = Duration::from_secs_f64(f64::from(TASKS) / rate);
    let tasks: Vec<_> = (0..TASKS).map(|n| tokio::spawn(work(Arc::clone(&world), n, pause, end))).collect();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    for task in tasks {
        let (theirs, slow) = task.await.unwrap();
        slowest = slowest.max(slow);
        for (name, count) in theirs {
            *counts.entry(name).or_default() += count;
        }
    }
    json!({"name": "mixed", "answers": counts, "max_ms": slowest.as_millis() as u64})
}

async fn work(world: Arc<World>, task: u32, pause: Duration, end: Instant) -> (BTreeMap<String, u64>, Duration) {
    let (mut counts, mut slowest) = (BTreeMap::new(), Duration::ZERO);
    let mut token = world.token.clone();
    let mut next = Instant::now() + pause * task / TASKS;
    let mut number = u64::from(task) * 7919;
    while Instant::now() < end {
        tokio::time::sleep_until(next.into()).await;
        next += pause;
        // A walk through all residues: the same mix in every task, each at another place.
        number = (number + 37) % 1000;
        let asked = Instant::now();
        let (name, answer) = step(&world, &mut token, number).await;
        slowest = slowest.max(asked.elapsed());
        let expected: &[u16] = match name {
            "write" => &[200, 201],
            "missing" => &[404],
            "forbidden" => &[403],
            "agent" => &[204],
            _ => &[200],
        };
        assert!(expected.contains(&answer.status), "{name}: {answer:?}");
        *counts.entry(format!("{name} {}", answer.status)).or_default() += 1;
    }
    (counts, slowest)
}

async fn step(world: &World, token: &mut String, number: u64) -> (&'static str, Answer) {
    let http = &world.organisation.http;
    let path = format!("load/mixed/{}", number % PATHS);
    match number {
        0..650 => ("read", http.get(&world.secret("load/secret"), token).await),
        650..800 => {
            let body = json!({"value": "x".repeat(200)});
            ("write", http.send("PUT", &world.secret(&path), Some(token.as_str()), Some(&body)).await)
        }
        800..850 => {
            let list = format!("/v1/vaults/{}/secrets?prefix=load/mixed/1", world.vault);
            ("list", http.get(&list, token).await)
        }
        850..900 => ("missing", http.get(&world.secret("load/never"), token).await),
        900..930 => ("forbidden", http.get(&world.secret("other"), token).await),
        930..960 => {
            *token = agent_token(&world.organisation, &world.agent_key).await;
            ("exchange", http.get("/v1/agents/me", token).await)
        }
        960..980 => {
            let events = "/v1/audit/events?limit=50&action=secret.write";
            ("events", http.get(events, &world.owner_key).await)
        }
        _ => {
            let body = json!({"name": "passing"});
            let made = http.send("POST", "/v1/agents", Some(&world.owner_key), Some(&body)).await;
            let id = made.json()["agent"]["id"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned();
            ("agent", http.send("DELETE", &format!("/v1/agents/{id}"), Some(&world.owner_key), None).await)
        }
    }
}
