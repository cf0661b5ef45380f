//! When an agent or a personal key was last used: kept in memory and written once a minute, since a write a request would
//! cost more than it tells.

use super::rows::WriteActivity;
use crate::store::{Actor, Committer, error_chain};
use keepward_api::{ApiKeyId, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Uses since the last writing, in the order of ids: two servers that write theirs never wait for each other.
#[derive(Default)]
pub struct Activity {
    used: Mutex<Used>,
}

#[derive(Default)]
pub(super) struct Used {
    pub(super) agents: BTreeMap<Uuid, Timestamp>,
    pub(super) keys: BTreeMap<Uuid, Timestamp>,
}

impl Activity {
    /// Notes a request of a proven caller.
    pub fn note(&self, actor: Actor, key: Option<ApiKeyId>, now: Timestamp) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Actor::Agent(id) = actor {
            used.agents.insert(id.0, now);
        }
        if let Some(key) = key {
            used.keys.insert(key.0, now);
        }
    }

    /// Writes what was noted since the last time.
    pub async fn write(&self, committer: &Committer) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.agents.is_empty() && used.keys.is_empty() {
            return;
        }
        if let Err(error) = committer.commit_unrecorded(WriteActivity(used)).await {
            tracing::error!(error = error_chain(&error), "when agents and keys were last used could not be written");
        }
    }
}
