//! PostgreSQL: a database that several servers may share.

use super::connect::FOREIGN;
use crate::error::{Error, Result};
use keepward_api::SecretText;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections of the readers.
const READERS: u32 = 10;
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(2);
/// The longest that another server's start is waited for: an index over a hundred million rows is made in less.
const START_TIME: Duration = Duration::from_secs(30 * 60);
/// A name for the advisory lock of a start: the first bytes of "keepward".
const START: i64 = 0x6b65_6570_7761_7264;

/// An address that may hold a password; its `Debug` is silent.
#[derive(Clone)]
pub struct PostgresUrl {
    url: SecretText,
    may_lose_commits: bool,
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl(..)")
    }
}

impl PostgresUrl {
    /// Parses `postgres://user@host/database`. `may_lose_commits` lets a server be used that loses commits in a crash, for
    /// tests.
    pub fn parse(text: &str, may_lose_commits: bool) -> Result<Self, &'static str> {
        const FORM: &str = "is not an address such as postgres://user:password@host/database";
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(FORM);
        }
        let options: PgConnectOptions = text.parse().map_err(|_| FORM)?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err("names no database");
        }
        let says_mode = text.split_once('?').is_some_and(|(_, query)| {
            query.split('&').any(|pair| pair.starts_with("sslmode=") || pair.starts_with("ssl-mode="))
        });
        if says_mode && !is_local(&options) && !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
            return Err("is on another machine: its sslmode has to be verify-full (or left out)");
        }
        Ok(Self { url: text.into(), may_lose_commits })
    }
}

impl PostgresUrl {
    pub(super) fn options(&self) -> Result<PgConnectOptions> {
        self.url.expose().parse().map_err(|_| Error::internal("the address of the database was good at start"))
    }
}

/// Whether the way there leaves this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let is_loopback = host.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback());
    options.get_socket().is_some() || host.starts_with('/') || is_loopback
}

/// How every connection is set, a pool's or not.
pub(super) fn tuned(options: PgConnectOptions) -> PgConnectOptions {
    let options = if is_local(&options) { options } else { options.ssl_mode(PgSslMode::VerifyFull) };
    options.application_name("keepward").statement_cache_capacity(256).options([
        ("statement_timeout", "30000"),
        ("lock_timeout", "10000"),
        // What locks and checks in units rely on, whatever the database's default is.
        ("default_transaction_isolation", "read committed"),
        // A server that stops in the middle of a transaction (frozen, its machine gone) keeps its locks no longer than the
        // others wait for them.
        ("idle_in_transaction_session_timeout", "5000"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "10000"),
        // Every statement searches indexes. A plan that was made while a table was small would go on reading all of it.
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
    ])
}

async fn connect(url: &PostgresUrl, connections: u32) -> Result<DatabaseConnection> {
    open(url, connections, |_| {}).await
}

/// `set` adds to the options.
async fn open(
    url: &PostgresUrl,
    connections: u32,
    set: impl FnOnce(&mut ConnectOptions),
) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url.url.expose());
    options.max_connections(connections).min_connections(1).connect_timeout(CONNECT_TIME).acquire_timeout(CONNECT_TIME);
    options.record_stmt_in_spans(false);
    super::log_statements(&mut options);
    // Only what lay idle may have been cut off unnoticed.
    options.test_before_acquire_if_idle_for(Duration::from_millis(500));
    options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    options.map_sqlx_postgres_opts(tuned);
    set(&mut options);
    // The cause may repeat the address, and with it a password: what went wrong is said by kind.
    sea_orm::Database::connect(options)
        .await
        .map_err(|error| Error::internal(format!("the PostgreSQL database can't be opened: {}", reason(&error))))
}

const NO_ANSWER: &str = "it does not answer, or takes no more connections";

/// Why a connection could not be made, without its address.
fn reason(error: &sea_orm::DbErr) -> String {
    use sea_orm::{DbErr, RuntimeErr};
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            match error.as_ref() {
                sqlx::Error::Io(error) => error.to_string(),
                sqlx::Error::Tls(error) => format!("TLS: {error}"),
                sqlx::Error::Database(error) => error.message().to_owned(),
                sqlx::Error::PoolTimedOut => NO_ANSWER.to_owned(),
                _ => "the address or the server's answer is not right".to_owned(),
            }
        }
        DbErr::ConnectionAcquire(_) => NO_ANSWER.to_owned(),
        _ => "the address or the server's answer is not right".to_owned(),
    }
}

pub(super) async fn connect_writer(url: &PostgresUrl) -> Result<DatabaseConnection> {
    connect(url, 1).await
}

/// Which server answers, in one text that no other has: its cluster, its timeline, and when it was started. NULL of one in
/// recovery: a standby may be behind, and go on answering after another one was promoted.
pub(super) const WHO: &str = "CASE WHEN pg_is_in_recovery() THEN NULL ELSE concat_ws('/', \
    (SELECT system_identifier FROM pg_control_system()), left(pg_walfile_name(pg_current_wal_lsn()), 8), \
    extract(epoch FROM pg_postmaster_start_time())) END";

/// The server at the other end of a connection.
pub(super) async fn who(connection: &DatabaseConnection) -> Result<String> {
    let ask = Statement::from_string(DbBackend::Postgres, format!("SELECT {WHO} AS who"));
    let row = connection.query_one_raw(ask).await?;
    let who: Option<String> = row.map(|row| row.try_get("", "who")).transpose()?.flatten();
    who.ok_or_else(|| Error::unavailable("PostgreSQL is in recovery: it is a standby"))
}

/// Connections to this server (see [`WHO`]) and to no other, however often one of them is made again: what they read is not
/// older than what its writer wrote.
pub(super) async fn connect_readers(url: &PostgresUrl, who: &str) -> Result<DatabaseConnection> {
    let who: Arc<str> = who.into();
    let only = move |pool: PgPoolOptions| {
        let who = Arc::clone(&who);
        pool.after_connect(move |connection, _| {
            let who = Arc::clone(&who);
            Box::pin(async move {
                let ask = sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(format!("SELECT {WHO}")));
                match ask.fetch_one(connection).await? {
                    Some(answers) if *answers == *who => Ok(()),
                    _ => {
                        Err(sqlx::Error::Protocol("a standby, or another server than the writer's, answers".to_owned()))
                    }
                }
            })
        })
    };
    open(url, READERS, |options| {
        options.map_sqlx_postgres_pool_opts(only);
    })
    .await
}

/// Waits for its turn to start, as long as somebody else's migration may take; the turn ends with the connection.
pub(super) async fn lock_start(url: &PostgresUrl) -> Result<DatabaseConnection> {
    let connection = connect(url, 1).await?;
    let begun = Instant::now();
    let mut next_word = Duration::from_secs(5);
    loop {
        let ask = Statement::from_string(DbBackend::Postgres, format!("SELECT pg_try_advisory_lock({START}) AS turn"));
        let row = connection.query_one_raw(ask).await?;
        if row.is_some_and(|row| row.try_get("", "turn").unwrap_or(false)) {
            return Ok(connection);
        }
        if begun.elapsed() > START_TIME {
            return Err(Error::internal("another server is starting on this database, and does not end"));
        }
        if begun.elapsed() > next_word {
            tracing::warn!(seconds = begun.elapsed().as_secs(), "another server is starting: waiting for it");
            next_word *= 2;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[derive(FromQueryResult)]
struct Settings {
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    read_only: String,
    encoding: String,
    version: i32,
    /// Besides that of migrations, which every SeaORM program has.
    tables: i64,
    /// Of two that the first migration makes, both or none.
    own: i64,
}

/// Refuses a server that would lose what it acknowledged, can't be written, or holds another program's tables.
pub(super) async fn check(connection: &DatabaseConnection, url: &PostgresUrl) -> Result<()> {
    const ASK: &str = "SELECT current_setting('fsync') AS fsync, \
        current_setting('full_page_writes') AS full_page_writes, \
        current_setting('synchronous_commit') AS synchronous_commit, \
        current_setting('transaction_read_only') AS read_only, \
        current_setting('server_encoding') AS encoding, \
        current_setting('server_version_num')::int AS version, \
        (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'seaql_migrations') AS tables, \
        (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename IN ('key_record', 'audit_head')) AS own";
    let statement = Statement::from_string(DbBackend::Postgres, ASK);
    let found = Settings::find_by_statement(statement).one(connection).await?;
    let found = found.ok_or_else(|| Error::internal("PostgreSQL does not say its settings"))?;
    let refuse = |why: &str| Err(Error::internal(format!("the PostgreSQL database {why}")));
    if found.version < 130_000 {
        return refuse("is older than version 13");
    }
    if found.encoding != "UTF8" {
        return refuse("is not encoded in UTF8");
    }
    if found.read_only == "on" {
        return refuse("is read-only (a standby?); give the address of the primary");
    }
    if found.tables > 0 && found.own < 2 {
        return refuse(FOREIGN);
    }
    let loses = match &found {
        Settings { fsync, .. } if fsync != "on" => "fsync",
        Settings { full_page_writes, .. } if full_page_writes != "on" => "full_page_writes",
        Settings { synchronous_commit, .. } if matches!(synchronous_commit.as_str(), "off" | "local") => {
            "synchronous_commit"
        }
        _ => return Ok(()),
    };
    match url.may_lose_commits {
        true => Ok(()),
        false => refuse(&format!(
            "would lose what was acknowledged: turn {loses} on (or, for tests, set KEEPWARD_UNSAFE_POSTGRES=true)"
        )),
    }
}

/// PostgreSQL's five-character code, where that is what an error is about.
pub(super) fn code(error: &sea_orm::DbErr) -> Option<String> {
    use sea_orm::{DbErr, RuntimeErr};
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    cause.as_database_error()?.code().filter(|code| code.len() == 5).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "postgres://app@127.0.0.1:5432/app",
            "postgres://app:hunter2@localhost/app?sslmode=disable",
            "postgresql://app@localhost/app?host=/var/run/postgresql",
            "postgres://app@db.example.com/app",
            "postgres://app@db.example.com/app?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        ] {
            let parsed = PostgresUrl::parse(good, false).unwrap_or_else(|why| panic!("{good}: {why}"));
            assert_eq!(format!("{parsed:?}"), "PostgresUrl(..)");
        }
        for bad in [
            "mysql://app@localhost/app",
            "postgres://app@localhost",
            "postgres://app@localhost:port/app",
            "postgres://app@db.example.com/app?sslmode=prefer",
            "postgres://app@db.example.com/app?sslmode=disable",
        ] {
            assert!(PostgresUrl::parse(bad, false).is_err(), "{bad}");
        }
    }
}
