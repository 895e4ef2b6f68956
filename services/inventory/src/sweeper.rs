//! Frees the stock of reservations whose time is up, and forgets which rows of old feeds were which books.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use server::database::answered;
use tokio_util::sync::CancellationToken;

use crate::{domain::Trigger, steps::settle_locked, store};

/// Reservations in one transaction.
const BATCH: u32 = 256;

/// Sweeps every `interval` until `stop`. Any number of replicas may.
pub(crate) async fn run(db: DatabaseConnection, interval: Duration, stop: CancellationToken) {
    let mut failing = false;
    while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
        match answered(sweep(&db)).await {
            Ok(0) => failing = false,
            Ok(expired) => {
                failing = false;
                tracing::info!(expired, "reservations have expired");
            }
            // Once for an outage, not once a second.
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "expired reservations can't be freed; will try again");
            }
            Err(_) => {}
        }
    }
}

/// Expires every reservation whose time is up, and tells how many. Deletes some of what else has had its time.
async fn sweep(db: &DatabaseConnection) -> Result<usize, DbErr> {
    let mut expired = 0;
    loop {
        let tx = db.begin().await?;
        let lapsed = store::reservations::lock_lapsed(&tx, BATCH).await?;
        let found = lapsed.len();
        settle_locked(&tx, lapsed, Trigger::Expire).await?;
        fault::around("inventory.expire.commit", tx.commit()).await?;
        expired += found;
        if found < BATCH as usize {
            break;
        }
    }
    fault::around("inventory.forget.commit", store::feeds::delete_old_marks(db)).await?;
    Ok(expired)
}
