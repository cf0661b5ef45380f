//! What a batch does for its units together, so that a unit costs no way to the database of its own: it reads what they
//! start from before the first of them runs, and writes the rows that they add after the last.

use super::lock::Lock;
use super::rows::{expect_rows, insert_values};
use crate::error::Result;
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, Iterable, ModelTrait, Statement, Value};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a unit asks to have read, and what was found for it. Opaque here: only whoever implements [`Ahead`] can open it, so
/// that no unit sees a row that it has no grant for.
pub type Opaque = Box<dyn Any + Send + Sync>;

/// Reads what many units start from. The caller's lookups implement it.
pub trait Ahead: Send + Sync + 'static {
    /// One answer a question, in their order.
    fn read<'a>(
        &'a self,
        transaction: &'a DatabaseTransaction,
        asks: Vec<Opaque>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Opaque>>> + Send + 'a>>;
}

/// The locks of the units so far, and whether all who took one share it: who meets one of them may see what those units
/// change, and can't be read for ahead.
#[derive(Default)]
pub(super) struct Taken(HashMap<i64, bool>);

impl Taken {
    /// Whether one of them is taken already, by two who may not hold it together; they are taken now.
    pub(super) fn meets(&mut self, locks: &[Lock]) -> bool {
        let meets = locks.iter().any(|lock| self.0.get(&lock.key()).is_some_and(|all| !(*all && lock.is_shared())));
        for lock in locks {
            *self.0.entry(lock.key()).or_insert(true) &= lock.is_shared();
        }
        meets
    }
}

/// Rows of one table in one statement at most: a text for each number up to it is kept.
const CHUNK: usize = 32;

struct Table {
    id: TypeId,
    text: fn(usize, bool) -> Arc<str>,
    rows: Vec<Vec<Value>>,
}

/// Rows that wait to be written, by table.
#[derive(Default)]
pub(super) struct Inserts(Vec<Table>);

impl Inserts {
    pub(super) fn push<M>(&mut self, row: &M)
    where
        M: ModelTrait,
        M::Entity: Default,
    {
        let id = TypeId::of::<M::Entity>();
        let values = <M::Entity as EntityTrait>::Column::iter().map(|column| row.get(column)).collect();
        match self.0.iter_mut().find(|table| table.id == id) {
            Some(table) => table.rows.push(values),
            None => self.0.push(Table { id, text: insert_values::<M::Entity>, rows: vec![values] }),
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        for mut theirs in other.0 {
            match self.0.iter_mut().find(|table| table.id == theirs.id) {
                Some(table) => table.rows.append(&mut theirs.rows),
                None => self.0.push(theirs),
            }
        }
    }

    /// Writes them, and has none any more.
    pub(super) async fn write(&mut self, transaction: &DatabaseTransaction) -> Result<()> {
        let backend = transaction.get_database_backend();
        for table in std::mem::take(&mut self.0) {
            let mut rows = table.rows.into_iter().peekable();
            while rows.peek().is_some() {
                let chunk: Vec<_> = rows.by_ref().take(CHUNK).collect();
                let chunk_length = chunk.len() as u64;
                let text = (table.text)(chunk.len(), backend == sea_orm::DbBackend::Sqlite);
                let values = chunk.into_iter().flatten();
                let (count, statement) = (chunk_length, Statement::from_sql_and_values(backend, &*text, values));
                expect_rows(transaction.execute_raw(statement).await?.rows_affected(), count)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_meets_a_lock() {
        let (shared, exclusive) = (Lock::shared("x", b"a"), Lock::exclusive("x", b"a"));
        let other = Lock::exclusive("x", b"b");
        let mut taken = Taken::default();
        assert!(!taken.meets(&[shared]) && !taken.meets(&[shared, other]));
        assert!(taken.meets(&[other]));
        assert!(taken.meets(&[exclusive]));
        assert!(taken.meets(&[shared]), "after an exclusive one");
    }
}
