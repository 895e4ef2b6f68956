use proto::payment::v1 as wire;
use values::{PaymentId, Violations};

use super::{Payments, get_payment::with_refunds};
use crate::{
    error::Error,
    store::{payments, refunds},
};

/// Asks the card gateway now what became of a payment that is under way, and of its refunds, and goes on from there.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` no such payment
pub(super) async fn process_payment(
    payments: &Payments,
    request: wire::ProcessPaymentRequest,
) -> Result<wire::Payment, Error> {
    let mut violations = Violations::new();
    let id = violations.parse("payment_id", &request.payment_id);
    let id: PaymentId = violations.finish(id)?;
    let no_such = || Error::NoSuchPayment(request.payment_id.clone());
    payments::find(&payments.db, id).await?.ok_or_else(no_such)?;

    // The charge has the payment's own id.
    payments.errands.see_through(id.uuid()).await?;
    for refund in refunds::of(&payments.db, id).await?.into_iter().filter(|refund| !refund.is_done) {
        payments.errands.see_through(refund.id.uuid()).await?;
    }
    let payment = payments::find(&payments.db, id).await?.ok_or_else(no_such)?;
    with_refunds(payments, payment).await
}
