//! Tells others once who works in the shops that were there before they listened. Any number of replicas may.

use std::time::Duration;

use events::{Wake, outbox};
use sea_orm::{DatabaseConnection, TransactionTrait};
use server::database::answered;
use tokio_util::sync::CancellationToken;

use crate::{error::Error, events::shop_member_changed::changed, store::announcements};

/// Shops in one transaction.
const BATCH: u32 = 128;
/// Until shops are looked for again that others had locked, or a database that was down.
const PAUSE: Duration = Duration::from_secs(1);

/// Announces the members of all shops that are to be announced, and then waits for `stop`: the process ends with any
/// of its tasks.
pub(crate) async fn run(db: DatabaseConnection, relay: Wake, stop: CancellationToken) {
    stop.run_until_cancelled(announce_all(&db, &relay)).await;
    stop.cancelled().await;
}

async fn announce_all(db: &DatabaseConnection, relay: &Wake) {
    let mut is_failing = false;
    loop {
        match answered(announce(db, relay)).await {
            Ok(Left::None) => return,
            Ok(Left::Locked) => is_failing = false,
            // Once for an outage, not once a second.
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(%error, "the members of shops can't be announced; will try again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Which shops are still to be announced.
enum Left {
    None,
    /// Those that somebody else has locked.
    Locked,
}

/// Announces the members of all shops that nobody else has locked.
async fn announce(db: &DatabaseConnection, relay: &Wake) -> Result<Left, Error> {
    loop {
        let tx = db.begin().await?;
        let shops = announcements::lock(&tx, BATCH).await?;
        if shops.is_empty() {
            return Ok(if announcements::remain(&tx).await? { Left::Locked } else { Left::None });
        }
        // Asked only now, since the members may have changed until the shops were locked.
        let members = announcements::members(&tx, &shops).await?;
        let events = (members.iter())
            .map(|member| changed(member.shop, member.version, member.user, Some(member.role)))
            .collect::<Result<Vec<_>, _>>()?;
        outbox::append(&tx, &events).await?;
        announcements::done(&tx, &shops).await?;
        fault::around("inventory.announce.commit", tx.commit()).await?;
        relay.wake();
        tracing::info!(shops = shops.len(), members = members.len(), "members of shops are announced");
    }
}
