//! What a unit needs for itself while it runs, where other servers write to the same database. A batch takes the locks of
//! all its units at once and in order, so that no two servers ever wait for each other. SQLite has one writer, and needs
//! none.

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

/// The statement that takes them, one after the other; `None` where there are none.
pub(super) fn statement(mut locks: Vec<Lock>) -> Option<String> {
    locks.sort_unstable();
    locks.dedup_by_key(|lock| lock.key);
    let calls = locks.iter().map(|lock| match lock.is_shared {
        true => format!("pg_advisory_xact_lock_shared({})", lock.key),
        false => format!("pg_advisory_xact_lock({})", lock.key),
    });
    let calls: Vec<String> = calls.collect();
    (!calls.is_empty()).then(|| format!("SELECT {}", calls.join(", ")))
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
        assert_eq!(both, format!("SELECT pg_advisory_xact_lock({})", a.key));
        assert_ne!(Lock::exclusive("x", b"a"), Lock::exclusive("y", b"a"));
    }
}
