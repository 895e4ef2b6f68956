use auth::Customer;
use fault::{Guard, is_off};
use proto::payment::v1 as wire;
use sea_orm::{SqlErr, TransactionTrait as _};
use serde::Serialize;
use server::wire::{above_zero, parse_money};
use values::{Fingerprint, Money, PaymentId, RequestId, Violations, text};

use super::Payments;
use crate::{
    domain::refund::{Refund, given},
    errands::tell,
    error::Error,
    events::published,
    store::{
        records,
        refunds::{self, Due, Origin},
    },
};

/// Gives back what was captured, whole or in part, to where it came from.
///
/// Repeating a `request_id` answers with the refund as it is now.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or another currency · `ALREADY_EXISTS` same `request_id`, other body ·
/// `NOT_FOUND` no such payment · `FAILED_PRECONDITION` nothing was captured, or less is left
pub(super) async fn refund_payment(
    payments: &Payments,
    caller: &Customer,
    request: wire::RefundPaymentRequest,
) -> Result<wire::Refund, Error> {
    let RefundPayment { request_id, body } = RefundPayment::parse(request)?;
    if let Some(earlier) = earlier(payments, caller, &request_id, &body).await? {
        return Ok(earlier.into());
    }
    let refused = match give(payments, caller, &request_id, &body).await {
        Ok(()) => None,
        // An equal request was faster; or another one with the same id, which is told below.
        Err(Error::Database(error))
            if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) =>
        {
            Some(Error::Database(error))
        }
        // What it would take is taken, perhaps by an equal request at this moment.
        Err(error @ Error::NotRefunded(_)) => Some(error),
        Err(error) => return Err(error),
    };
    let made = earlier(payments, caller, &request_id, &body).await?;
    match (made, refused) {
        (Some(made), _) => Ok(made.into()),
        (None, Some(error)) => Err(error),
        // Refunds are never deleted.
        (None, None) => Err(sea_orm::DbErr::RecordNotFound("the refund just made".to_owned()).into()),
    }
}

/// Decides the refund in one transaction, and has the card's bank asked at once.
async fn give(
    payments: &Payments,
    caller: &Customer,
    request_id: &RequestId,
    body: &Body,
) -> Result<(), Error> {
    let tx = payments.db.begin().await?;
    let payment = records::lock_one(&tx, body.payment).await?;
    let payment = payment.ok_or_else(|| Error::NoSuchPayment(body.payment.to_string()))?;
    let captured = payment.amount.ok_or_else(|| Error::NoSuchPayment(body.payment.to_string()))?;
    if body.amount.is_some_and(|amount| amount.currency() != captured.currency()) {
        let mut violations = Violations::new();
        violations.add("amount.currency_code", "must be the payment's");
        return Err(violations.into());
    }
    let decided = payment.refunded + payment.refund_due;
    let asked = body.amount.map(Money::minor_units);
    let most = if is_off(Guard::RefundBound) { i64::MAX } else { captured.minor_units() };
    let back = given(payment.record, most, decided, asked)?;
    let origin = Origin::Staff {
        by: caller.user_id,
        request: request_id.clone(),
        fingerprint: Fingerprint::of(body),
        note: body.note.clone(),
    };
    let traceparent = telemetry::propagation::traceparent();
    let back = Money::new(back, captured.currency());
    let due = Due { traceparent, ..Due::new(payment, back, origin) };
    refunds::decide(&tx, std::slice::from_ref(&due)).await?;
    if due.is_done_at_once() {
        tell(&tx, published::refunded(&payment, back)).await?;
    }
    fault::around("payment.refund_payment.commit", tx.commit()).await?;
    payments.errands.told();
    payments.errands.see_through(due.id.uuid()).await?;
    Ok(())
}

async fn earlier(
    payments: &Payments,
    caller: &Customer,
    request_id: &RequestId,
    body: &Body,
) -> Result<Option<Refund>, Error> {
    match refunds::find_by_request(&payments.db, caller.user_id, request_id).await? {
        Some((id, same)) if same == Fingerprint::of(body) => Ok(refunds::find(&payments.db, id).await?),
        Some(_) => Err(Error::RequestIdReused),
        None => Ok(None),
    }
}

struct RefundPayment {
    request_id: RequestId,
    body: Body,
}

/// What must be the same when a request id is repeated.
#[derive(Serialize)]
struct Body {
    payment: PaymentId,
    amount: Option<Money>,
    note: String,
}

impl RefundPayment {
    fn parse(request: wire::RefundPaymentRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &request.request_id);
        let payment = violations.parse("payment_id", &request.payment_id);
        let amount = match request.amount {
            None => Some(None),
            amount => parse_money(&mut violations, "amount", amount, above_zero).map(Some),
        };
        let note = violations.take("note", text(&request.note, 0..=200));
        let parsed = request_id.zip(payment).zip(amount).zip(note);
        violations.finish(parsed.map(|(((request_id, payment), amount), note)| Self {
            request_id,
            body: Body { payment, amount, note },
        }))
    }
}
