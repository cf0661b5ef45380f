//! What a unit needs for itself while it runs, where other servers write to the same database. A batch takes the locks of
//! all its units at once and in order, so that no two servers ever wait for each other. SQLite has one writer, and needs
//! none.

use sea_orm::{DbBackend, Statement};
use sha2::{Digest, Sha256};

/// A lock on a name, held until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lock {
    key: i64,
    /// Sorts before `true`: of two locks on one name the exclusive one is kept.
    is_shared: bool,
}

impl Lock {
    /// Nobody else holds it at the same time.
    pub fn exclusive(kind: &str, name: &[u8]) -> Self {
        Self { key: key(kind, name), is_shared: false }
    }

    /// Others may share it.
    pub fn shared(kind: &str, name: &[u8]) -> Self {
        Self { key: key(kind, name), is_shared: true }
    }

    pub(super) fn key(&self) -> i64 {
        self.key
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }
}

fn key(kind: &str, name: &[u8]) -> i64 {
    let hash: [u8; 32] = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The statement that takes them, one after the other; `None` where there are none. The keys are values, not text: a log of
/// statements tells nobody whose they are.
pub(super) fn statement(mut locks: Vec<Lock>) -> Option<Statement> {
    const TAKE: &str = "SELECT CASE WHEN l.shared THEN pg_advisory_xact_lock_shared(l.key) ELSE pg_advisory_xact_lock(l.key) END \
        FROM unnest(string_to_array($1, ',')::bigint[], string_to_array($2, ',')::boolean[]) AS l(key, shared)";
    locks.sort_unstable();
    locks.dedup_by_key(|lock| lock.key);
    if locks.is_empty() {
        return None;
    }
    let list = |of: fn(&Lock) -> String| locks.iter().map(of).collect::<Vec<_>>().join(",");
    let values = [list(|lock| lock.key.to_string()).into(), list(|lock| lock.is_shared.to_string()).into()];
    Some(Statement::from_sql_and_values(DbBackend::Postgres, TAKE, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_order_and_once() {
        let (a, b) = (Lock::exclusive("x", b"a"), Lock::shared("x", b"b"));
        assert_eq!(statement(vec![]), None);
        assert_eq!(statement(vec![a, b, a]), statement(vec![b, a]));
        let both = statement(vec![Lock::shared("x", b"a"), a]).unwrap();
        assert_eq!(both.values.unwrap().0, [a.key.to_string().into(), "false".into()]);
        assert_ne!(Lock::exclusive("x", b"a"), Lock::exclusive("y", b"a"));
    }
}
