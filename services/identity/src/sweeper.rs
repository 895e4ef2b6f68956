//! Deletes what nobody needs any more.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;

use crate::store::sessions;

/// Between two sweeps.
const PAUSE: Duration = Duration::from_hours(1);
/// Sessions in one transaction.
const BATCH: u32 = 1000;

/// Sweeps at the start and then every hour, until `stop`. Any number of replicas may.
pub(crate) async fn run(db: DatabaseConnection, stop: CancellationToken) {
    loop {
        match sweep(&db).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "old sessions are deleted"),
            Err(error) => tracing::warn!(%error, "old sessions can't be deleted; will try again"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

async fn sweep(db: &DatabaseConnection) -> Result<u64, DbErr> {
    let mut deleted = 0;
    loop {
        let batch = sessions::delete_old(db, BATCH).await?;
        deleted += batch;
        if batch < u64::from(BATCH) {
            return Ok(deleted);
        }
    }
}
