//! Refusals before a credential is proven: bad keys, bad tokens, failed logins. An attacker could make any number of them,
//! so they are counted by address, action and minute, and written to the server's own chain when the minute ends; known
//! and unknown accounts alike. A kill may lose that minute.

use crate::metrics::METRICS;
use crate::store::{Actor, Committer, Event, Outcome, SERVER_CHAIN};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Distinct (address, action) pairs a minute; what is beyond is counted together under no address. Few, since strangers
/// fill the disk with them: at some 400 bytes an event these are 35 MB a day at the worst.
const MAX_PAIRS: usize = 60;

/// The counts of the running minute.
#[derive(Default)]
pub struct Refusals {
    counts: Mutex<HashMap<(Option<IpAddr>, &'static str), u64>>,
}

impl Refusals {
    /// Counts one.
    pub fn count(&self, address: IpAddr, action: &'static str) {
        METRICS.unproven_refusal(action);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Some(address), action);
        let key = if counts.len() >= MAX_PAIRS && !counts.contains_key(&key) { (None, action) } else { key };
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    /// Writes what was counted since the last time.
    pub async fn write(&self, committer: &Committer) {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        for ((address, action), count) in counts {
            let details: Map<String, Value> = [("count".to_owned(), json!(count))].into_iter().collect();
            let event = Event {
                chain: SERVER_CHAIN,
                action,
                actor: Actor::System,
                resource: None,
                outcome: Outcome::Denied,
                details,
                address,
            };
            if committer.record(event).await.is_err() {
                tracing::error!(count, "refusals of the last minute could not be written");
            }
        }
    }
}
