use std::{pin::Pin, time::Duration};

use auth::Customer;
use futures::{Stream, StreamExt as _, stream};
use proto::order::v1 as pb;
use sea_orm::DatabaseConnection;
use server::database::answered;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use values::{OrderId, UserId};

use super::{OrderService, wire::order_id};
use crate::{
    domain,
    error::Error,
    store::{self, orders::Reach},
    watchers::Watcher,
};

/// When to look although nobody has told of a change: not all are told to other replicas, and the broker may be away.
const LOOK: Duration = Duration::from_secs(2);
/// When to come back after the server's stop.
const RESUME: Duration = Duration::from_millis(500);

/// Follows an order of the caller: sends where it stands now, then each change, whichever replica makes it.
///
/// Several changes in quick succession may be told as one. Ends once the order is settled.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such order, or another user's · `UNAVAILABLE` the server stops
pub(super) async fn watch_order(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::WatchOrderRequest,
) -> Result<Pin<Box<dyn Stream<Item = Result<pb::OrderStatus, Status>> + Send>>, Error> {
    let id = order_id(&wire.order_id)?;
    let mut watch = Watch {
        db: shop.db.clone(),
        user: caller.user_id,
        id,
        // Before the first look, so that no change falls between.
        watcher: shop.watchers.watch(id),
        streams_end: shop.streams_end.clone(),
        last: None,
    };
    let now = watch.look().await?;
    watch.last = Some(now);
    let changes = stream::unfold(watch, async |mut watch| {
        let change = watch.next().await?;
        Some((change, watch))
    });
    Ok(Box::pin(stream::iter([Ok(now.into())]).chain(changes)))
}

struct Watch {
    db: DatabaseConnection,
    user: UserId,
    id: OrderId,
    watcher: Watcher,
    streams_end: CancellationToken,
    /// What was sent last; `None`: nothing more will be.
    last: Option<domain::Status>,
}

impl Watch {
    /// Whoever watches sets no deadline.
    async fn look(&self) -> Result<domain::Status, Error> {
        let status = answered(store::orders::status_for(&self.db, Reach::Of(self.user), self.id)).await?;
        status.ok_or_else(|| Error::NoSuchOrder(self.id.to_string()))
    }

    /// The next change, or why there will be none.
    async fn next(&mut self) -> Option<Result<pb::OrderStatus, Status>> {
        let last = self.last.take()?;
        if last.standing.state.is_settled() {
            return None;
        }
        loop {
            let told = timeout(LOOK, self.watcher.woken());
            if self.streams_end.run_until_cancelled(told).await.is_none() {
                return Some(Err(server::status::unavailable(RESUME)));
            }
            match self.look().await {
                Ok(now) if now.version > last.version => {
                    self.last = Some(now);
                    return Some(Ok(now.into()));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}
