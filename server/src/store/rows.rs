//! Writing rows. Those with authority get their MAC on the way in.

use super::mac::{RowMac, with_mac};
use crate::error::{Error, Result};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IdenStatic,
    IntoActiveModel, Iterable, ModelTrait, PrimaryKeyToColumn, QueryFilter, Statement,
};
use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Texts of inserts, by table and number of rows. A write inserts some rows every time: building their statements anew
/// would cost more than running them.
type Texts = RwLock<HashMap<(TypeId, usize, bool), Arc<str>>>;
static TEXTS: LazyLock<Texts> = LazyLock::new(RwLock::default);

/// The text that inserts so many rows of a table.
pub(super) fn insert_values<E: EntityTrait + Default>(rows: usize, sqlite: bool) -> Arc<str> {
    let key = (TypeId::of::<E>(), rows, sqlite);
    if let Some(text) = TEXTS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Arc::clone(text);
    }
    // A failure undoes the transaction, or the savepoint of a unit: SQLite need not keep every page as it was before the
    // statement to undo that alone.
    let verb = if sqlite { "INSERT OR FAIL INTO" } else { "INSERT INTO" };
    let text: Arc<str> = compose::<E>(verb, rows, |n| mark(sqlite, n)).into();
    TEXTS.write().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&text));
    text
}

fn compose<E: EntityTrait + Default>(verb: &str, rows: usize, mark: impl Fn(usize) -> String) -> String {
    let columns: Vec<String> = E::Column::iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    let mut next = 1..;
    let row = || format!("({})", next.by_ref().take(columns.len()).map(&mark).collect::<Vec<_>>().join(", "));
    let values: Vec<String> = std::iter::repeat_with(row).take(rows).collect();
    let table = E::default();
    format!("{verb} {} ({}) VALUES {}", table.table_name(), columns.join(", "), values.join(", "))
}

/// The n-th of the values that a statement takes in their order. SQLite would search for each that has a name.
pub fn mark(sqlite: bool, n: usize) -> String {
    if sqlite { "?".to_owned() } else { format!("${n}") }
}

/// Inserts rows that carry no authority.
pub fn insert_statement<M>(backend: DbBackend, rows: &[M]) -> Statement
where
    M: ModelTrait,
    M::Entity: Default,
{
    let values = rows.iter().flat_map(|row| <M::Entity as EntityTrait>::Column::iter().map(|column| row.get(column)));
    let text = insert_values::<M::Entity>(rows.len(), backend == DbBackend::Sqlite);
    Statement::from_sql_and_values(backend, &*text, values)
}

/// The same, in the place of rows with the same primary key.
pub fn upsert_statement<M>(backend: DbBackend, rows: &[M]) -> Statement
where
    M: ModelTrait,
    M::Entity: Default,
{
    let mut statement = insert_statement(backend, rows);
    statement.sql.push_str(&in_place_of::<M::Entity>());
    statement
}

fn in_place_of<E: EntityTrait>() -> String {
    let key: Vec<String> = E::PrimaryKey::iter().map(|key| key.into_column().as_str().to_owned()).collect();
    // The key is what it was: an index of it that is told so again would be written again.
    let columns = E::Column::iter().map(|column| column.as_str().to_owned()).filter(|column| !key.contains(column));
    let columns: Vec<String> = columns.map(|column| format!("{column} = excluded.{column}")).collect();
    format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), columns.join(", "))
}

/// Two statements as one, on SQLite, which takes each one's values from where those of the one before end.
pub fn join(first: Statement, second: Statement) -> Statement {
    let mut values = first.values.map(|values| values.0).unwrap_or_default();
    values.extend(second.values.map(|values| values.0).unwrap_or_default());
    Statement::from_sql_and_values(first.db_backend, format!("{}; {}", first.sql, second.sql), values)
}

/// Fails if a statement wrote another number of rows than it was to write: something in the database, a trigger or a rule,
/// had it do less or more.
pub fn expect_rows(written: u64, expected: u64) -> Result<()> {
    if written == expected {
        return Ok(());
    }
    Err(Error::internal(format!("a statement wrote {written} rows instead of {expected}: see the database's triggers")))
}

/// Inserts a row that carries no authority.
pub async fn insert<M>(connection: &impl ConnectionTrait, row: M) -> Result<()>
where
    M: ModelTrait,
    M::Entity: Default,
{
    let statement = insert_statement(connection.get_database_backend(), std::slice::from_ref(&row));
    expect_rows(connection.execute_raw(statement).await?.rows_affected(), 1)
}

/// Inserts a row under its MAC.
pub async fn insert_with_mac<M>(connection: &impl ConnectionTrait, mac: &dyn RowMac, model: M) -> Result<()>
where
    M: ModelTrait,
    M::Entity: Default,
{
    insert(connection, with_mac(mac, model)?).await
}

/// Writes every column of a row that was read, checked and changed, under a new MAC.
pub async fn update_with_mac<M>(connection: &impl ConnectionTrait, mac: &dyn RowMac, model: M) -> Result<()>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send,
    M::Entity: EntityTrait<Model = M> + Default,
{
    let model = with_mac(mac, model)?;
    let mut update = M::Entity::update_many();
    for key in <M::Entity as EntityTrait>::PrimaryKey::iter() {
        let column = key.into_column();
        update = update.filter(column.eq(model.get(column)));
    }
    expect_rows(update.set(model.into_active_model().reset_all()).exec(connection).await?.rows_affected, 1)
}
