use events::{Delivery, HandleError, Handler, Verdict};
use proto::payment::v1::PaymentRefunded;
use sea_orm::DatabaseTransaction;

use super::{orders, settle_deliveries};
use crate::{domain::Happening, notifier::Notifier};

/// What was taken for an order was given back: the order notes it.
pub(crate) struct OnPaymentRefunded {
    pub(crate) notifier: Notifier,
}

impl Handler for OnPaymentRefunded {
    type Event = PaymentRefunded;
    type Prepared = ();
    const DURABLE: &'static str = "order_payment_refunded";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<PaymentRefunded>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let told = batch.iter().map(|(delivery, ())| {
            (delivery, delivery.event.order_id.parse().map(|order| (order, Happening::Refunded)))
        });
        settle_deliveries(tx, told).await
    }

    fn committed(&self, batch: &[(Delivery<PaymentRefunded>, ())]) {
        self.notifier.changed(orders(batch.iter().map(|(delivery, ())| delivery.event.order_id.as_str())));
    }
}
