//! Rows of several tables from one statement, without a join: every branch of a `UNION ALL` puts its columns into typed
//! slots, and a tag says which table a row is of. A value is then read once, however many policies stand beside it.

use crate::error::{Error, Result};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ColumnType, DbErr, EntityTrait, IdenStatic, Iterable, QueryResult, TryIntoModel,
    Value,
};
use std::any::TypeId;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use uuid::Uuid;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Id,
    Text,
    Integer,
    Flag,
    Bytes,
}

/// In the order of [`Class`].
const CLASSES: [Class; 5] = [Class::Id, Class::Text, Class::Integer, Class::Flag, Class::Bytes];

impl Class {
    fn of(kind: &ColumnType) -> Self {
        match kind {
            ColumnType::Uuid => Self::Id,
            ColumnType::BigInteger => Self::Integer,
            ColumnType::Boolean => Self::Flag,
            ColumnType::Text => Self::Text,
            _ => Self::Bytes,
        }
    }

    /// What PostgreSQL must know of a slot that a branch leaves empty.
    fn empty(self) -> &'static str {
        match self {
            Self::Id => "CAST(NULL AS uuid)",
            Self::Text => "CAST(NULL AS text)",
            Self::Integer => "CAST(NULL AS bigint)",
            Self::Flag => "CAST(NULL AS boolean)",
            Self::Bytes => "NULL",
        }
    }
}

/// The slots of a statement: as many of each class as the widest table needs.
#[derive(Clone, Copy, Default)]
pub struct Union {
    slots: [usize; 5],
    sqlite: bool,
}

/// The columns' classes, worked out once a table: a column's definition is made anew each time it is asked for.
fn classes<E: EntityTrait>() -> Arc<[Class]> {
    static KNOWN: LazyLock<RwLock<HashMap<TypeId, Arc<[Class]>>>> = LazyLock::new(RwLock::default);
    let table = TypeId::of::<E>();
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&table) {
        return Arc::clone(known);
    }
    let classes: Arc<[Class]> = E::Column::iter().map(|column| Class::of(column.def().get_column_type())).collect();
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(table, Arc::clone(&classes));
    classes
}

fn count<E: EntityTrait>(class: Class) -> usize {
    classes::<E>().iter().filter(|of| **of == class).count()
}

impl Union {
    /// Without slots; `sqlite` where an empty slot needs no type.
    pub fn new(sqlite: bool) -> Self {
        Self { slots: [0; 5], sqlite }
    }

    /// Makes room for a table.
    pub fn with<E: EntityTrait>(mut self) -> Self {
        for (slot, class) in self.slots.iter_mut().zip(CLASSES) {
            *slot = (*slot).max(count::<E>(class));
        }
        self
    }

    /// `SELECT tag, slots FROM table AS t`, to which the caller adds what follows `WHERE`.
    pub fn branch<E: EntityTrait + Default>(&self, tag: i64) -> String {
        format!("{} FROM {} t WHERE ", self.select::<E>(tag), E::default().table_name())
    }

    /// `SELECT tag, slots` of a table that is called `t`.
    pub fn select<E: EntityTrait>(&self, tag: i64) -> String {
        let mut sql = format!("SELECT {tag}");
        for (width, class) in self.slots.iter().zip(CLASSES) {
            let mut columns = E::Column::iter().filter(|column| Class::of(column.def().get_column_type()) == class);
            for _ in 0..*width {
                match columns.next() {
                    Some(column) => {
                        let _ = write!(sql, ", t.{}", column.as_str());
                    }
                    None if self.sqlite => sql.push_str(", NULL"),
                    None if class == Class::Bytes => sql.push_str(", CAST(NULL AS bytea)"),
                    None => {
                        let _ = write!(sql, ", {}", class.empty());
                    }
                }
            }
        }
        sql
    }

    /// The tag of a row.
    pub fn tag(row: &QueryResult) -> Result<i64> {
        // What PostgreSQL makes of a bare number.
        Ok(row.try_get_by_index::<i32>(0)?.into())
    }

    /// The model in a row of that table's branch.
    pub fn model<E>(&self, row: &QueryResult) -> Result<E::Model>
    where
        E: EntityTrait,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Default + TryIntoModel<E::Model>,
    {
        let mut model = <E::ActiveModel as Default>::default();
        // Where the next value of each class stands.
        let mut next = [0; CLASSES.len()];
        let mut start = 1;
        for (next, width) in next.iter_mut().zip(self.slots) {
            *next = start;
            start += width;
        }
        for (column, class) in E::Column::iter().zip(classes::<E>().iter()) {
            let place = next.get_mut(*class as usize).ok_or_else(|| Error::internal("a class without its place"))?;
            let (at, _) = (*place, *place += 1);
            let value: Value = match class {
                Class::Id => row.try_get_by_index::<Option<Uuid>>(at)?.into(),
                Class::Text => row.try_get_by_index::<Option<String>>(at)?.into(),
                Class::Integer => row.try_get_by_index::<Option<i64>>(at)?.into(),
                Class::Flag => row.try_get_by_index::<Option<bool>>(at)?.into(),
                Class::Bytes => row.try_get_by_index::<Option<Vec<u8>>>(at)?.into(),
            };
            model.try_set(column, value)?;
        }
        model.try_into_model().map_err(|error: DbErr| Error::internal(error))
    }
}
