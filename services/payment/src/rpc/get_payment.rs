use auth::Customer;
use proto::payment::v1::{self as wire, get_payment_request::Payment as Asked};
use server::wire::{money, timestamp};
use values::Violations;

use super::Payments;
use crate::{
    domain::{
        failure::Failure,
        payment::{Payment, State},
        refund::{Cause, Refund},
    },
    error::Error,
    store::{
        payments::{self, Name},
        refunds,
    },
};

/// Reads the payment of an order of the caller, and what has been given back of it; with the permission `payments.read`
/// of anybody.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id, or none · `NOT_FOUND` no such payment, or another user's
pub(super) async fn get_payment(
    payments: &Payments,
    caller: &Customer,
    request: wire::GetPaymentRequest,
) -> Result<wire::Payment, Error> {
    let mut violations = Violations::new();
    let (name, text) = match request.payment {
        Some(Asked::PaymentId(id)) => (violations.parse("payment_id", &id).map(Name::Payment), id),
        Some(Asked::OrderId(id)) => (violations.parse("order_id", &id).map(Name::Order), id),
        None => {
            violations.add("payment", "one of payment_id and order_id is required");
            (None, String::new())
        }
    };
    let name = violations.finish(name)?;
    let payment = payments::find_for(&payments.db, caller, name).await?;
    with_refunds(payments, payment.ok_or(Error::NoSuchPayment(text))?).await
}

/// A payment with its refunds, the oldest first.
pub(super) async fn with_refunds(payments: &Payments, payment: Payment) -> Result<wire::Payment, Error> {
    let refunds = refunds::of(&payments.db, payment.id).await?;
    Ok(wire::Payment { refunds: refunds.into_iter().map(Into::into).collect(), ..payment.into() })
}

impl From<Payment> for wire::Payment {
    fn from(payment: Payment) -> Self {
        let (state, failure_reason) = match payment.state {
            State::Pending => (wire::PaymentState::Pending, wire::FailureReason::Unspecified),
            State::Authorised => (wire::PaymentState::Authorised, wire::FailureReason::Unspecified),
            State::Captured => (wire::PaymentState::Captured, wire::FailureReason::Unspecified),
            State::Refunded => (wire::PaymentState::Refunded, wire::FailureReason::Unspecified),
            State::Failed(failure) => (wire::PaymentState::Failed, failure.into()),
        };
        Self {
            payment_id: payment.id.to_string(),
            order_id: payment.order.to_string(),
            state: state.into(),
            failure_reason: failure_reason.into(),
            amount: Some(money(payment.amount)),
            refunded: Some(money(payment.refunded)),
            create_time: Some(timestamp(payment.created_at)),
            update_time: Some(timestamp(payment.updated_at)),
            user_id: payment.user.to_string(),
            card_id: payment.card.map(|card| card.to_string()).unwrap_or_default(),
            refunds: Vec::new(),
        }
    }
}

impl From<Refund> for wire::Refund {
    fn from(refund: Refund) -> Self {
        let cause = match refund.cause {
            Cause::Cancelled => wire::RefundCause::Cancelled,
            Cause::Returned => wire::RefundCause::Returned,
            Cause::Staff => wire::RefundCause::Staff,
        };
        let state = if refund.is_done { wire::PayoutState::Done } else { wire::PayoutState::Pending };
        Self {
            refund_id: refund.id.to_string(),
            payment_id: refund.payment.to_string(),
            state: state.into(),
            amount: Some(money(refund.amount)),
            cause: cause.into(),
            note: refund.note,
            create_time: Some(timestamp(refund.created_at)),
        }
    }
}

impl From<Failure> for wire::FailureReason {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::InsufficientFunds => Self::InsufficientFunds,
            Failure::WalletClosed => Self::WalletClosed,
            Failure::CardDeclined => Self::CardDeclined,
            Failure::CardExpired => Self::CardExpired,
            Failure::IncorrectCvc => Self::IncorrectCvc,
            Failure::CardLostOrStolen => Self::CardLostOrStolen,
            Failure::SuspectedFraud => Self::SuspectedFraud,
            Failure::ProcessingError => Self::ProcessingError,
            Failure::CardUnknown => Self::CardUnknown,
            Failure::OrderCancelled => Self::OrderCancelled,
        }
    }
}
