//! Message authentication of rows that carry authority: whoever writes a role, a policy or a key hash into the database by
//! hand has no sub-key to vouch for it, and the row counts as absent.

use crate::metrics::METRICS;
use sea_orm::{EntityTrait, IdenStatic, Iterable, ModelTrait, Value};

/// Columns that change without authority, and the MAC itself.
const NOT_COVERED: [&str; 3] = ["row_mac", "last_active_at", "last_used_at"];

/// Computes and checks a row's MAC. `seal` implements it with a numbered sub-key; the MAC begins with its format.
pub trait RowMac: Send + Sync {
    fn compute(&self, message: &[u8]) -> Vec<u8>;
    /// In constant time.
    fn verify(&self, message: &[u8], mac: &[u8]) -> bool;
}

type Column<M> = <<M as ModelTrait>::Entity as EntityTrait>::Column;

/// Table, and every covered column by name and value; each text length-prefixed, each value with its type.
fn message<M: ModelTrait>(model: &M) -> Vec<u8>
where
    M::Entity: Default,
{
    use sea_orm::EntityName;
    let mut message = Vec::with_capacity(256);
    put(&mut message, M::Entity::default().table_name().as_bytes());
    for column in Column::<M>::iter().filter(|c| !NOT_COVERED.contains(&c.as_str())) {
        put(&mut message, column.as_str().as_bytes());
        match model.get(column) {
            Value::BigInt(Some(n)) => {
                message.push(b'i');
                message.extend_from_slice(&n.to_be_bytes());
            }
            Value::Bool(Some(b)) => message.extend_from_slice(&[b'b', u8::from(b)]),
            Value::String(Some(text)) => {
                message.push(b't');
                put(&mut message, text.as_bytes());
            }
            Value::Bytes(Some(bytes)) => {
                message.push(b'x');
                put(&mut message, &bytes);
            }
            Value::Uuid(Some(id)) => {
                message.push(b'u');
                message.extend_from_slice(id.as_bytes());
            }
            // Absent; the types of `store/entity` have no other value (a test reads every table's columns).
            _ => message.push(b'n'),
        }
    }
    message
}

fn put(message: &mut Vec<u8>, bytes: &[u8]) {
    message.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    message.extend_from_slice(bytes);
}

fn mac_column<M: ModelTrait>() -> Option<Column<M>> {
    Column::<M>::iter().find(|column| column.as_str() == "row_mac")
}

/// The model with its MAC.
pub(super) fn with_mac<M: ModelTrait>(mac: &dyn RowMac, mut model: M) -> Result<M, sea_orm::DbErr>
where
    M::Entity: Default,
{
    let computed = mac.compute(&message(&model));
    if let Some(column) = mac_column::<M>() {
        model.try_set(column, Value::from(computed))?;
    }
    Ok(model)
}

fn table_of<M: ModelTrait>() -> &'static str
where
    M::Entity: Default,
{
    use sea_orm::IdenStatic as _;
    M::Entity::default().as_str()
}

/// Whether the row is as this server wrote it. A bad MAC is one error line, naming the table and nothing of the row.
pub fn is_authentic<M: ModelTrait>(mac: &dyn RowMac, model: &M) -> bool
where
    M::Entity: Default,
{
    let stored = mac_column::<M>().map(|column| model.get(column));
    let good = match stored {
        Some(Value::Bytes(Some(stored))) => mac.verify(&message(model), &stored),
        _ => false,
    };
    if !good {
        METRICS.row_mac_failure(table_of::<M>());
        tracing::error!(table = table_of::<M>(), "a row's MAC is wrong: it counts as absent");
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::entity;
    use sea_orm::ColumnTrait;

    /// A column type without a case in `message` would be left out of the MAC.
    #[test]
    fn every_column_type_is_covered() {
        fn check<E: EntityTrait>() {
            for column in E::Column::iter() {
                let kind = format!("{:?}", column.def().get_column_type());
                let known = ["Uuid", "Text", "BigInteger", "Boolean", "VarBinary(None)", "Blob", "Binary(1)"];
                assert!(known.contains(&kind.as_str()), "{}: {kind}", column.as_str());
            }
        }
        check::<entity::organisation::Entity>();
        check::<entity::users::Entity>();
        check::<entity::api_key::Entity>();
        check::<entity::agent::Entity>();
        check::<entity::vault::Entity>();
        check::<entity::policy::Entity>();
    }
}
