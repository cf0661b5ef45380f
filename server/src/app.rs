//! Everything that a running server is made of.

use crate::audit::{Chains, Refusals};
use crate::caller::{Activity, Limits, Logins, Passwords, Tokens};
use crate::config::Config;
use crate::error::Result;
use crate::seal::Keyring;
use crate::seal::keystore::SoftwareKeystore;
use crate::store::{Committer, Database, migrate};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Requests in work at once; the next is told to come back.
const MAX_IN_WORK: usize = 512;
/// All bodies together, in bytes as they came. Parsed, sealed and in a queue a body is there some four times, so this keeps
/// them within 256 MB.
const BODY_MEMORY: usize = 64 * 1024 * 1024;

/// What handlers work with.
pub struct App {
    pub config: Config,
    pub database: Arc<Database>,
    pub keyring: Arc<Keyring>,
    pub committer: Committer,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub limits: Limits,
    pub logins: Logins,
    pub refusals: Refusals,
    pub activity: Activity,
    pub(crate) in_work: Arc<Semaphore>,
    pub(crate) body_memory: Arc<Semaphore>,
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

impl App {
    /// Opens database and keys; `exclusively` as the data folder's one server.
    pub async fn open(config: Config, exclusively: bool) -> Result<(Self, Writing)> {
        if !exclusively {
            config.database.must_exist()?;
        }
        config.prepare_data_dir()?;
        let is_new = config.database.must_exist().is_err();
        let database = match exclusively {
            true => Database::open_exclusively(&config.database).await?,
            false => Database::open(&config.database).await?,
        };
        let database = Arc::new(database);
        migrate(&database).await?;
        let keystore = Arc::new(SoftwareKeystore::open(&config.master_key_file, is_new)?);
        let keyring = Arc::new(Keyring::open(keystore, database.readers()).await?);
        let journal = Arc::new(Chains::new(Arc::clone(&keyring)));
        let (committer, task) = Committer::start(Arc::clone(&database), journal, config.min_free_bytes);
        let app = Self {
            tokens: Tokens::new(Arc::clone(&keyring))?,
            passwords: Passwords::new(Arc::clone(&keyring)),
            limits: Limits::new(config.rate_limit),
            logins: Logins::new(config.rate_limit.is_some()),
            refusals: Refusals::default(),
            activity: Activity::default(),
            in_work: Arc::new(Semaphore::new(MAX_IN_WORK)),
            body_memory: Arc::new(Semaphore::new(BODY_MEMORY)),
            config,
            database,
            keyring,
            committer,
        };
        Ok((app, Writing(task)))
    }
}
