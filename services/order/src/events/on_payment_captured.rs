use std::{collections::HashMap, time::Duration};

use events::{Delivery, HandleError, Handler, Verdict};
use futures::{StreamExt as _, stream};
use proto::payment::v1::PaymentCaptured;
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use tokio::time::Instant;
use tracing::Instrument as _;
use values::OrderId;

use super::{orders, settle_deliveries};
use crate::{
    clients::{Commitment, Inventory},
    domain::Happening,
    notifier::Notifier,
    store,
};

/// Calls to inventory that are under way at once.
const CALLS: usize = 128;
/// How long a batch waits for inventory. That an order is paid must be noted in time even while inventory hangs; the
/// sweeper, which has more patience, asks again.
const PATIENCE: Duration = Duration::from_millis(500);

/// An order is paid: takes its stock off the shelf and confirms it, or cancels it where the stock is lost.
///
/// While inventory cannot be asked, the order notes that it is paid, which ends its time limit; the sweeper asks later.
pub(crate) struct OnPaymentCaptured {
    pub(crate) db: DatabaseConnection,
    pub(crate) inventory: Inventory,
    pub(crate) notifier: Notifier,
}

impl Handler for OnPaymentCaptured {
    type Event = PaymentCaptured;
    /// What inventory said of the order's stock; `None`: it wasn't asked, or did not answer.
    type Prepared = Option<Commitment>;
    const DURABLE: &'static str = "order_payment_captured";

    async fn prepare(
        &self,
        batch: &[Delivery<PaymentCaptured>],
    ) -> Vec<Result<Option<Commitment>, HandleError>> {
        let ids = orders(batch.iter().map(|delivery| delivery.event.order_id.as_str()));
        let pending: HashMap<OrderId, _> = match store::sweep::pending(&self.db, ids).await {
            Ok(pending) => pending.into_iter().collect(),
            Err(error) => {
                let error = HandleError::from(error);
                return batch.iter().map(|_| Err(error.clone())).collect();
            }
        };
        let reservations: Vec<_> = batch
            .iter()
            .map(|delivery| {
                let order: Option<OrderId> = delivery.event.order_id.parse().ok();
                (order.and_then(|order| pending.get(&order).copied()), delivery.span().clone())
            })
            .collect();
        let until = Instant::now() + PATIENCE;
        let calls = reservations.into_iter().map(|(reservation, span)| {
            let inventory = self.inventory.clone();
            // Whatever went wrong, the sweeper asks again, and complains of what can't come right by itself.
            async move { mesh::until(until, inventory.commit(reservation?)).await.ok() }.instrument(span)
        });
        stream::iter(calls).buffered(CALLS).map(Ok).collect().await
    }

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<PaymentCaptured>, Option<Commitment>)],
    ) -> Result<Vec<Verdict>, HandleError> {
        let told = batch.iter().map(|(delivery, commitment)| {
            let happening = match commitment {
                Some(Commitment::Committed) => Happening::CapturedAndCommitted,
                Some(Commitment::Lost) => Happening::CapturedAndStockLost,
                None => Happening::Captured,
            };
            (delivery, delivery.event.order_id.parse().map(|order| (order, happening)))
        });
        settle_deliveries(tx, told).await
    }

    fn committed(&self, batch: &[(Delivery<PaymentCaptured>, Option<Commitment>)]) {
        self.notifier.changed(orders(batch.iter().map(|(delivery, _)| delivery.event.order_id.as_str())));
    }
}
