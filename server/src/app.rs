//! Everything that a running server is made of.

use crate::audit::{Chains, Refusals};
use crate::caller::{Activity, Limits, Logins, Lookups, Passwords, Tokens, UnitLookups};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::http::BodyMemory;
use crate::seal::Keyring;
use crate::seal::keystore::SoftwareKeystore;
use crate::store::{Committer, Database, DatabaseUrl, check_foreign, check_schema, migrate};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Requests in work at once; the next is told to come back.
const MAX_IN_WORK: usize = 512;
/// What handlers work with.
pub struct App {
    pub config: Config,
    pub database: Arc<Database>,
    pub keyring: Arc<Keyring>,
    pub committer: Committer,
    pub lookups: Lookups,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub limits: Limits,
    pub logins: Logins,
    pub refusals: Refusals,
    pub activity: Activity,
    pub(crate) in_work: Arc<Semaphore>,
    pub(crate) body_memory: Arc<BodyMemory>,
}

/// What a database is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// To be a server; a file then has no other.
    Serve,
    /// To bring it to this version, or to make it.
    Migrate,
    /// For a command beside the servers, on a database that is there.
    Beside,
}

/// The committer's task; it has to be waited for after the last handle is gone.
pub struct Writing(JoinHandle<()>);

impl Writing {
    /// Waits until every queued unit is answered. To be called when the [`App`] is dropped.
    pub async fn finish(self) {
        if let Err(error) = self.0.await {
            tracing::error!(%error, "the committer");
        }
    }
}

/// A server that runs on the schema of this version is not in the way; one of the version before would find its tables gone.
async fn open_to_migrate(url: &DatabaseUrl) -> Result<Database> {
    let beside = Database::open(url).await?;
    if check_schema(&beside).await.is_ok() {
        return Ok(beside);
    }
    beside.close().await;
    Database::open_to_serve(url).await
}

impl App {
    /// Opens database and keys, and makes them where there are none.
    pub async fn open(config: Config, how: Open) -> Result<(Self, Writing)> {
        if how != Open::Beside {
            config.prepare_data_dir()?;
        }
        let database = match how {
            Open::Migrate if config.database.exists() => open_to_migrate(&config.database).await?,
            Open::Serve | Open::Migrate => Database::open_to_serve(&config.database).await?,
            Open::Beside => Database::open(&config.database).await?,
        };
        let database = Arc::new(database);
        let lock = match how {
            Open::Serve | Open::Migrate => {
                let lock = database.lock_start().await?;
                migrate(&database).await?;
                Some(lock)
            }
            Open::Beside => {
                check_schema(&database).await?;
                None
            }
        };
        check_foreign(&database).await?;
        let is_new = Keyring::is_new(&database.readers()).await?;
        // A first start that is still making keys has made the check value first, and this one's last.
        if how == Open::Beside && (is_new || !Keyring::is_whole(&database.readers()).await?) {
            return Err(Error::internal("this database has no keys yet: start the server, or run `migrate`, first"));
        }
        if is_new && !Keyring::has_begun(&database.readers()).await? {
            if how == Open::Serve && config.master_key_file.exists() {
                // An emptied database would otherwise start as a new one, open to whoever signs up first.
                return Err(Error::internal(format!(
                    "there is a master key ({}), but the database is new: if that is meant to be, run `migrate` first",
                    config.master_key_file.display()
                )));
            }
            Keyring::begin(&database.readers()).await?;
        }
        let keystore = Arc::new(SoftwareKeystore::open(&config.master_key_file, is_new)?);
        let keyring = Arc::new(Keyring::open(keystore, &database.readers()).await?);
        if let Some(lock) = lock {
            lock.release().await;
        }
        let journal = Arc::new(Chains::new(Arc::clone(&keyring)));
        let lookups = Arc::new(UnitLookups(Arc::clone(&keyring)));
        let (committer, task) = Committer::start(Arc::clone(&database), journal, lookups, config.min_free_bytes);
        let app = Self {
            lookups: Lookups::start(Arc::clone(&database), Arc::clone(&keyring)),
            tokens: Tokens::new(Arc::clone(&keyring))?,
            passwords: Passwords::new(Arc::clone(&keyring)),
            limits: Limits::new(config.rate_limit),
            logins: Logins::new(config.rate_limit.is_some()),
            refusals: Refusals::default(),
            activity: Activity::default(),
            in_work: Arc::new(Semaphore::new(MAX_IN_WORK)),
            body_memory: Arc::default(),
            config,
            database,
            keyring,
            committer,
        };
        Ok((app, Writing(task)))
    }
}
