//! What only the database knows, measured again and again.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::database::answered;

/// Often enough for alerts, seldom enough for every replica to ask.
const EVERY: Duration = Duration::from_secs(15);

/// Looks until `stop`: with statements that stay cheap however many rows there are. Every replica does, and says the same.
///
/// Until a database that is down is back the last answers stand.
pub async fn repeat(stop: CancellationToken, look: impl AsyncFn() -> Result<(), DbErr>) {
    let mut is_failing = false;
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let Some(looked) = stop.run_until_cancelled(answered(look())).await else { return };
        if let (Err(error), false) = (&looked, is_failing) {
            tracing::warn!(%error, "what stands in the database can't be measured; will try again");
        }
        is_failing = looked.is_err();
    }
}
