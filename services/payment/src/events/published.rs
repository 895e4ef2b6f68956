use events::outbox::{Outgoing, TooLarge};
use proto::payment::v1::{FailureReason, PaymentCaptured, PaymentFailed, PaymentRefunded};
use server::wire::money;
use values::Money;

use crate::store::{charges::Decided, refunds::Refund};

/// The version of a payment that was just attempted.
const FIRST_VERSION: i64 = 1;

/// What became of charging an order.
pub(super) fn charged(decided: &Decided) -> Result<Outgoing, TooLarge> {
    let (payment_id, order_id) = (decided.payment.to_string(), decided.due.order.to_string());
    match decided.outcome {
        Ok(_) => {
            let amount = Some(money(decided.due.total));
            Outgoing::new(decided.payment, FIRST_VERSION, &PaymentCaptured { payment_id, order_id, amount })
        }
        Err(failure) => {
            let reason = FailureReason::from(failure).into();
            Outgoing::new(decided.payment, FIRST_VERSION, &PaymentFailed { payment_id, order_id, reason })
        }
    }
}

/// What was given back for an order.
pub(super) fn refunded(refund: &Refund) -> Result<Outgoing, TooLarge> {
    let refunded =
        Money::new(refund.payment.refunded + refund.amount.minor_units(), refund.amount.currency());
    let event = PaymentRefunded {
        payment_id: refund.payment.payment.to_string(),
        order_id: refund.payment.order.to_string(),
        amount: Some(money(refund.amount)),
        user_id: refund.payment.user.to_string(),
        refunded: Some(money(refunded)),
    };
    Outgoing::new(refund.payment.payment, refund.payment.version + 1, &event)
}
