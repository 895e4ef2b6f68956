use std::{collections::HashMap, time::Duration};

use events::{Delivery, HandleError, Handler, Verdict};
use proto::payment::v1::PaymentCaptured;
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use tokio::time::Instant;
use values::{OrderId, ReservationId};

use super::{orders, settle_deliveries};
use crate::{
    clients::{CallError, Commitment, Inventory},
    domain::Happening,
    notifier::Notifier,
    store,
};

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

impl OnPaymentCaptured {
    /// What inventory said of each; `None`: nothing that helps.
    async fn commit(&self, reservations: &[ReservationId]) -> Vec<Option<Commitment>> {
        if reservations.is_empty() {
            return vec![];
        }
        match mesh::until(Instant::now() + PATIENCE, self.inventory.commit(reservations)).await {
            Ok(answers) => answers.into_iter().map(Result::ok).collect(),
            Err(error) => {
                // Nonsense is for the sweeper to tell: it knows what it has told before.
                if !matches!(error, CallError::Nonsense { .. }) {
                    let orders = reservations.len();
                    tracing::warn!(%error, orders, "the stock of paid orders could not be committed yet");
                }
                vec![None; reservations.len()]
            }
        }
    }
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
        let wanted = batch.iter().map(|delivery| {
            let order: OrderId = delivery.event.order_id.parse().ok()?;
            pending.get(&order).copied()
        });
        let wanted: Vec<Option<ReservationId>> = wanted.collect();
        let asked: Vec<ReservationId> = wanted.iter().flatten().copied().collect();
        let mut answers = self.commit(&asked).await.into_iter();
        // Whatever went wrong, the sweeper asks again, and complains of what can't come right by itself.
        wanted.into_iter().map(|wanted| Ok(wanted.and_then(|_| answers.next().flatten()))).collect()
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
