//! Deletes what nobody needs any more.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;

use crate::store::{refresh_tokens, sessions};

/// For how long it can be looked up that a session was there, at least.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// Between two sweeps.
const PAUSE: Duration = Duration::from_hours(1);
/// Rows in one transaction.
const BATCH: u32 = 1000;

/// Sweeps at the start and then every hour, until `stop`. Any number of replicas may.
pub(crate) async fn run(db: DatabaseConnection, refresh_token_ttl: Duration, stop: CancellationToken) {
    let idle = refresh_token_ttl.max(KEPT);
    loop {
        match sweep(&db, idle).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "old sessions and refresh tokens are deleted"),
            Err(error) => tracing::warn!(%error, "old sessions can't be deleted; will try again"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

async fn sweep(db: &DatabaseConnection, idle: Duration) -> Result<u64, DbErr> {
    let mut deleted = 0;
    loop {
        let tokens = refresh_tokens::delete_expired(db, BATCH).await?;
        let sessions = sessions::delete_old(db, idle, BATCH).await?;
        deleted += tokens + sessions;
        if tokens.max(sessions) < u64::from(BATCH) {
            return Ok(deleted);
        }
    }
}
