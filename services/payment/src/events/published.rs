use events::outbox::{Outgoing, TooLarge};
use proto::payment::v1::{FailureReason, PaymentCaptured, PaymentFailed, PaymentRefunded};
use server::wire::money;
use values::{Money, OrderId, PaymentId};

use crate::{domain::failure::Failure, store::records::Locked};

/// The version of a payment that was just attempted.
pub(crate) const FIRST_VERSION: i64 = 1;

/// The total of an order was taken, which made this `version` of its payment.
pub(crate) fn captured(
    payment: PaymentId,
    order: OrderId,
    version: i64,
    total: Money,
) -> Result<Outgoing, TooLarge> {
    let event = PaymentCaptured {
        payment_id: payment.to_string(),
        order_id: order.to_string(),
        amount: Some(money(total)),
    };
    Outgoing::new(payment, version, &event)
}

/// Nothing was taken for an order, and nothing will be, which made this `version` of its payment.
pub(crate) fn failed(
    payment: PaymentId,
    order: OrderId,
    version: i64,
    failure: Failure,
) -> Result<Outgoing, TooLarge> {
    let event = PaymentFailed {
        payment_id: payment.to_string(),
        order_id: order.to_string(),
        reason: FailureReason::from(failure).into(),
    };
    Outgoing::new(payment, version, &event)
}

/// So much was given back for an order; `before` is its payment without that.
pub(crate) fn refunded(before: &Locked, amount: Money) -> Result<Outgoing, TooLarge> {
    let refunded = Money::new(before.refunded + amount.minor_units(), amount.currency());
    let event = PaymentRefunded {
        payment_id: before.payment.to_string(),
        order_id: before.order.to_string(),
        amount: Some(money(amount)),
        user_id: before.user.to_string(),
        refunded: Some(money(refunded)),
    };
    Outgoing::new(before.payment, before.version + 1, &event)
}
