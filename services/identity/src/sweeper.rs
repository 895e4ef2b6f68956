//! Deletes what nobody needs any more, and has the signing keys rotated in time.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use server::database::answered;
use tokio_util::sync::CancellationToken;

use crate::signing_keys::SigningKeys;
use crate::store::{refresh_tokens, registrations, sessions};

/// For how long it can be looked up that a session was there, at least.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How late a repeated registration may come, at least.
const REGISTRATIONS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Between two sweeps.
const PAUSE: Duration = Duration::from_hours(1);
/// Rows in one transaction.
const BATCH: u32 = 1000;

pub(crate) struct Sweeper {
    pub(crate) db: DatabaseConnection,
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) refresh_token_ttl: Duration,
}

impl Sweeper {
    /// Sweeps at the start and then every hour, until `stop`. Any number of replicas may.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            match fault::around("identity.forget.commit", self.delete_old()).await {
                Ok(0) => {}
                Ok(deleted) => {
                    tracing::info!(deleted, "old sessions, refresh tokens and registrations are deleted");
                }
                Err(error) => {
                    tracing::warn!(%error, "what nobody needs any more can't be deleted; will try again");
                }
            }
            if let Err(error) = answered(self.keys.sweep(&self.db)).await {
                tracing::warn!(%error, "the signing keys can't be rotated; will try again");
            }
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return;
            }
        }
    }

    async fn delete_old(&self) -> Result<u64, DbErr> {
        let idle = self.refresh_token_ttl.max(KEPT);
        let mut deleted = 0;
        loop {
            let tokens = answered(refresh_tokens::delete_expired(&self.db, BATCH)).await?;
            let sessions = answered(sessions::delete_old(&self.db, idle, BATCH)).await?;
            let registrations =
                answered(registrations::delete_old(&self.db, REGISTRATIONS_KEPT, BATCH)).await?;
            deleted += tokens + sessions + registrations;
            if tokens.max(sessions).max(registrations) < u64::from(BATCH) {
                return Ok(deleted);
            }
        }
    }
}
