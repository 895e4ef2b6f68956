use events::{Delivery, HandleError, Handler, Verdict};
use proto::payment::v1::PaymentRefunded;
use sea_orm::DatabaseTransaction;

use super::{orders, settle_deliveries};
use crate::{domain::Happening, notifier::Notifier};

/// What was taken for an order was given back, or a part of it: the order notes how much altogether.
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
            let event = &delivery.event;
            // The release of payment before this one gave back all at once, and told no running total.
            let refunded = event.refunded.as_ref().or(event.amount.as_ref());
            let sum = refunded.map_or(0, |refunded| refunded.minor_units);
            (delivery, event.order_id.parse().map(|order| (order, Happening::Refunded(sum))))
        });
        settle_deliveries(tx, told).await
    }

    fn committed(&self, batch: &[(Delivery<PaymentRefunded>, ())]) {
        self.notifier.changed(orders(batch.iter().map(|(delivery, ())| delivery.event.order_id.as_str())));
    }
}
