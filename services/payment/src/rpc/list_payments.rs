use auth::Customer;
use proto::payment::v1 as wire;
use values::{
    PaymentId, UserId, Violations,
    page::{self, PageSize},
};

use super::{Payments, one_page};
use crate::{
    error::Error,
    store::payments::{self, Wanted},
};

/// Lists the caller's payments, the newest first; with the permission `payments.read` everybody's.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list
pub(super) async fn list_payments(
    payments: &Payments,
    caller: &Customer,
    request: wire::ListPaymentsRequest,
) -> Result<wire::ListPaymentsResponse, Error> {
    let mut violations = Violations::new();
    let size = violations.take("page_size", PageSize::parse(request.page_size));
    let user = violations.take("user_id", super::optional::<UserId>(&request.user_id));
    let state = violations.take("state", stored_state(request.state));
    let scope = format!("ListPayments {} {} {}", caller.user_id, request.user_id, request.state);
    let before = violations.take("page_token", page::decode::<PaymentId>(&scope, &request.page_token));
    let parsed = violations.finish(size.zip(user).zip(state).zip(before))?;
    let (((size, user), state), before) = parsed;

    let wanted = Wanted { user, state };
    let found = payments::page_for(&payments.db, caller, wanted, before, size.get() + 1).await?;
    let (found, next_page_token) = one_page(found, size, &scope, |payment| payment.id);
    Ok(wire::ListPaymentsResponse { payments: found.into_iter().map(Into::into).collect(), next_page_token })
}

/// As the database calls a state; nothing for all of them.
fn stored_state(state: i32) -> Result<Option<&'static str>, &'static str> {
    match wire::PaymentState::try_from(state) {
        Ok(wire::PaymentState::Unspecified) => Ok(None),
        Ok(wire::PaymentState::Pending) => Ok(Some("PENDING")),
        Ok(wire::PaymentState::Authorised) => Ok(Some("AUTHORISED")),
        Ok(wire::PaymentState::Captured) => Ok(Some("CAPTURED")),
        Ok(wire::PaymentState::Failed) => Ok(Some("FAILED")),
        Ok(wire::PaymentState::Refunded) => Ok(Some("REFUNDED")),
        Err(_) => Err("is none that we know"),
    }
}
