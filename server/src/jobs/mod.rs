//! What happens without a request: once a minute the refusals of the minute and the last uses of
//! agents and keys are written, and expired revocations removed.
//! A job never touches what it was not made for.

use crate::app::App;
use crate::operations::auth::service::ForgetExpired;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const MINUTE: Duration = Duration::from_secs(60);

/// Runs until told to stop, and once more then.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut last = Instant::now();
    loop {
        let stopping = tokio::time::timeout(MINUTE, stop.wait_for(|stopping| *stopping)).await.is_ok();
        app.refusals.write(&app.committer).await;
        app.activity.write(&app.committer).await;
        let passed = last.elapsed();
        last = Instant::now();
        if let Err(error) = app.committer.commit_unrecorded(ForgetExpired { passed }).await {
            tracing::error!(%error, "expired revocations stay");
        }
        if stopping {
            return;
        }
    }
}
