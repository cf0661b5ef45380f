//! One change of the schema a file, oldest first. A change that has landed is never edited: the next one is a file of its
//! own, with a test that starts from the old database.

use sea_orm::DbBackend;
use sea_orm::sea_query::{ColumnDef, Index, IndexCreateStatement, Table, TableCreateStatement};

mod m0001_first;
mod m0002_audit_by_time;
mod m0003_newest_version;

/// One change of the schema, applied whole or not at all.
pub(crate) struct Migration {
    /// Its name in the table of applied migrations.
    pub(crate) name: &'static str,
    /// Its statements for a database, in order.
    pub(crate) statements: fn(DbBackend) -> Vec<String>,
}

pub(crate) const MIGRATIONS: [Migration; 3] = [
    Migration { name: "m0001_first", statements: m0001_first::statements },
    Migration { name: "m0002_audit_by_time", statements: m0002_audit_by_time::statements },
    Migration { name: "m0003_newest_version", statements: m0003_newest_version::statements },
];

fn table(name: &'static str, columns: Vec<ColumnDef>, key: &[&'static str]) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    table.primary_key(&mut primary);
    table
}

fn index(table: &'static str, columns: &[&'static str], unique: bool) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(format!("ix_{table}_{}", columns.join("_"))).table(table);
    for column in columns {
        index.col(*column);
    }
    if unique {
        index.unique();
    }
    index
}

fn uuid(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().take()
}

fn uuid_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().null().take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn text_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().null().take()
}

fn binary(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary().not_null().take()
}

fn binary_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary().null().take()
}

fn boolean(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

fn boolean_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().null().take()
}

fn big_integer(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

fn big_integer_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().take()
}
