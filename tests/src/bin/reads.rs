//! Reads of a secret, timed: `reads prepare URL` makes one and prints what reads it; `reads time`, with that in the
//! environment, times the SDK beside reqwest doing the same by hand, in turns, and prints one line of JSON a comparison.

use futures_util::future::join_all;
use keepward::Client;
use keepward_tests::Organisation;
use serde_json::json;
use std::time::Instant;

const PATH: &str = "payments/stripe";
const VALUE: &str = "not-a-real-key";
const AT_ONCE: usize = 50;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["prepare", url] => prepare(url).await,
        ["time"] => time().await,
        _ => panic!("reads prepare URL | reads time"),
    }
}

async fn prepare(url: &str) {
    let organisation = Organisation::on(url).await;
    let vault = organisation.vault().await;
    organisation.owner.secrets().put(vault, PATH, VALUE).await.unwrap();
    // It outlives a token.
    let key = organisation.owner.api_keys().create("k").await.unwrap().api_key.unwrap();
    println!("{}", json!({"KEEPWARD_TOKEN": key.expose(), "KEEPWARD_VAULT": vault}));
}

/// Microseconds a read.
async fn timed(reads: usize, at_once: usize, read: impl AsyncFn() -> String) -> f64 {
    let begun = Instant::now();
    let one = async || {
        for _ in 0..reads / at_once {
            assert_eq!(read().await, VALUE);
        }
    };
    join_all((0..at_once).map(|_| one())).await;
    begun.elapsed().as_secs_f64() * 1e6 / reads as f64
}

fn middle(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

async fn time() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let (url, token, vault) = (variable("KEEPWARD_URL"), variable("KEEPWARD_TOKEN"), variable("KEEPWARD_VAULT"));
    let (rounds, reads): (usize, usize) =
        (variable("KEEPWARD_ROUNDS").parse().unwrap(), variable("KEEPWARD_CALLS").parse().unwrap());
    let client = Client::builder().base_url(&url).token(token.as_str()).build().unwrap();
    let vault: keepward::VaultId = vault.parse().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hand = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("{url}/v1/vaults/{vault}/secrets/{PATH}");
    let ours = async || client.secrets().get(vault, PATH).await.unwrap().value.expose().to_owned();
    let theirs = async || {
        let answer = hand.get(&address).bearer_auth(&token).send().await.unwrap();
        answer.json::<serde_json::Value>().await.unwrap()["value"].as_str().unwrap().to_owned()
    };
    for (at_once, words) in [(1, "one at a time".to_owned()), (AT_ONCE, format!("{AT_ONCE} at once"))] {
        let mut turns = Vec::new();
        for _ in 0..=rounds {
            turns.push((timed(reads, at_once, &ours).await, timed(reads, at_once, &theirs).await));
        }
        let turns = &turns[1..];
        // Each turn is held against the one beside it: the machine has moods.
        let ratios: Vec<f64> = turns.iter().map(|(ours, theirs)| ours / theirs).collect();
        let line = json!({
            "what": format!("Rust, {words}"),
            "peer": "reqwest",
            "ours": middle(turns.iter().map(|turn| turn.0)),
            "theirs": middle(turns.iter().map(|turn| turn.1)),
            "ratio": middle(ratios.iter().copied()),
            "ratios": ratios,
        });
        println!("{line}");
    }
}
