use auth::Customer;
use proto::payment::v1::{self as wire, get_payment_request::Payment as Asked};
use server::wire::{money, timestamp};
use values::Violations;

use super::Payments;
use crate::{
    domain::{
        failure::Failure,
        payment::{Payment, State},
    },
    error::Error,
    store::payments::{self, Name},
};

/// Reads the payment of an order of the caller.
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
    let payment = payments::find_for(&payments.db, caller.user_id, name).await?;
    payment.map(Into::into).ok_or(Error::NoSuchPayment(text))
}

impl From<Payment> for wire::Payment {
    fn from(payment: Payment) -> Self {
        let (state, failure_reason) = match payment.state {
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
            card_id: String::new(),
            refunds: Vec::new(),
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
