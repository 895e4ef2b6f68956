//! Forgets what was told long ago.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use server::database::answered;
use tokio_util::sync::CancellationToken;

use crate::store::deliveries;

/// Longer than any event may come again.
const KEEP_DAYS: i32 = 90;
/// How often it is looked for.
const INTERVAL: Duration = Duration::from_hours(1);

/// Deletes old deliveries that have ended, until `stop`. Any number of replicas may.
pub(crate) async fn run(db: DatabaseConnection, stop: CancellationToken) {
    loop {
        if let Some(Err(error)) = stop.run_until_cancelled(delete_all(&db)).await {
            tracing::warn!(%error, "old deliveries couldn't be deleted; will try again");
        }
        if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
            return;
        }
    }
}

async fn delete_all(db: &DatabaseConnection) -> Result<(), DbErr> {
    while fault::around("notification.forget.commit", answered(deliveries::delete_ended(db, KEEP_DAYS)))
        .await?
    {}
    Ok(())
}
