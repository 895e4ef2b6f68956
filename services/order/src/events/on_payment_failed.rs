use events::{Delivery, HandleError, Handler, Verdict};
use proto::payment::v1::{self as pb, PaymentFailed};
use sea_orm::DatabaseTransaction;

use super::{orders, settle_deliveries};
use crate::{
    domain::{FailureReason, Happening},
    notifier::Notifier,
};

/// A payment was refused: cancels its order.
pub(crate) struct OnPaymentFailed {
    pub(crate) notifier: Notifier,
}

impl Handler for OnPaymentFailed {
    type Event = PaymentFailed;
    type Prepared = ();
    const DURABLE: &'static str = "order_payment_failed";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<PaymentFailed>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let told = batch.iter().map(|(delivery, ())| {
            let happening = Happening::PaymentFailed(reason(delivery.event.reason()));
            (delivery, delivery.event.order_id.parse().map(|order| (order, happening)))
        });
        settle_deliveries(tx, told).await
    }

    fn committed(&self, batch: &[(Delivery<PaymentFailed>, ())]) {
        self.notifier.changed(orders(batch.iter().map(|(delivery, ())| delivery.event.order_id.as_str())));
    }
}

/// Reasons that a later release may add are refusals too.
const fn reason(reason: pb::FailureReason) -> FailureReason {
    match reason {
        pb::FailureReason::Unspecified => FailureReason::Other,
        pb::FailureReason::InsufficientFunds => FailureReason::InsufficientFunds,
        pb::FailureReason::WalletClosed => FailureReason::WalletClosed,
        pb::FailureReason::CardDeclined => FailureReason::CardDeclined,
        pb::FailureReason::CardExpired => FailureReason::CardExpired,
        pb::FailureReason::IncorrectCvc => FailureReason::IncorrectCvc,
        pb::FailureReason::CardLostOrStolen => FailureReason::CardLostOrStolen,
        pb::FailureReason::SuspectedFraud => FailureReason::SuspectedFraud,
        pb::FailureReason::ProcessingError => FailureReason::ProcessingError,
        pb::FailureReason::CardUnknown => FailureReason::CardUnknown,
        pb::FailureReason::OrderCancelled => FailureReason::OrderCancelled,
    }
}
