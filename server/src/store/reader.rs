//! A connection of its own for a task that reads all the time. A pool asks every connection that comes back whether it is
//! still there, which costs as much as the statement that it was taken for.

use super::connect::{Database, DatabaseUrl};
use super::postgres::CONNECT_TIME;
use super::{postgres, sqlite};
use crate::error::{Error, Result};
use futures_util::TryStreamExt;
use sea_orm::{DbBackend, QueryResult, Value};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::time::Instant;

/// Opened with the first statement, and again after a failure or when the database has been away.
pub struct Reader {
    database: Arc<Database>,
    connection: Option<Connection>,
    /// How often the database had been away when the connection was made.
    losses: u64,
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
}

/// Binds values in their order; the columns of `store/entity` have no other types.
macro_rules! bind {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::Uuid(id) => query.bind(*id),
                Value::String(text) => query.bind(text.as_deref()),
                Value::BigInt(number) => query.bind(*number),
                Value::Bool(flag) => query.bind(*flag),
                Value::Bytes(bytes) => query.bind(bytes.as_deref()),
                _ => return Err(Error::internal("a value of a type that no column has")),
            };
        }
        query
    }};
}

impl Reader {
    pub fn new(database: Arc<Database>) -> Self {
        Self { database, connection: None, losses: 0 }
    }

    /// Gives its connection up: nobody knows what state it is in.
    pub fn reconnect(&mut self) {
        self.connection = None;
    }

    pub fn backend(&self) -> DbBackend {
        self.database.backend()
    }

    /// Runs a statement that changes nothing; once more, if its connection was lost since its last use.
    pub async fn query(&mut self, text: &Arc<str>, values: &[Value]) -> Result<Vec<QueryResult>> {
        let losses = self.database.losses();
        if self.losses != losses {
            (self.connection, self.losses) = (None, losses);
        }
        let (is_fresh, begun) = (self.connection.is_none(), Instant::now());
        match self.within_time(text, values).await {
            Err(Error::Unavailable { .. }) if !is_fresh && begun.elapsed() < CONNECT_TIME => {
                self.within_time(text, values).await
            }
            outcome => outcome,
        }
    }

    /// A database that is gone answers nothing at all: its own limits are of no use then.
    async fn within_time(&mut self, text: &Arc<str>, values: &[Value]) -> Result<Vec<QueryResult>> {
        let database = Arc::clone(&self.database);
        // Without an answer the connection is given up, whatever became of it: one that was cut off answers nobody else.
        let outcome = database.read(self.run(text, values)).await;
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    async fn run(&mut self, text: &Arc<str>, values: &[Value]) -> Result<Vec<QueryResult>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(open(self.database.url()).await?),
        };
        let text = AssertSqlSafe(Arc::clone(text));
        let outcome = match connection {
            Connection::Sqlite(connection) => {
                let rows = bind!(sqlx::query(text), values).fetch(connection);
                rows.map_ok(QueryResult::from).try_collect().await
            }
            Connection::Postgres(connection) => {
                let rows = bind!(sqlx::query(text), values).fetch(connection.as_mut());
                rows.map_ok(QueryResult::from).try_collect().await
            }
        };
        outcome.map_err(|error| sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(Arc::new(error))).into())
    }
}

async fn open(url: &DatabaseUrl) -> Result<Connection> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => {
            let connection = super::logged(sqlite::tuned(sqlite::address(path)?)).connect().await;
            Connection::Sqlite(connection.map_err(Error::unavailable)?)
        }
        DatabaseUrl::Postgres(url) => {
            let connecting = super::logged(postgres::tuned(url.options()?));
            let connection = tokio::time::timeout(CONNECT_TIME, connecting.connect()).await;
            let connection = connection.map_err(|_| Error::unavailable("the database does not answer"))?;
            Connection::Postgres(Box::new(connection.map_err(Error::unavailable)?))
        }
    })
}
