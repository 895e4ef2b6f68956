use auth::Customer;
use proto::payment::v1 as wire;
use serde::Serialize;
use server::wire::parse_money;
use values::{Fingerprint, Money, RequestId, Violations};

use super::Payments;
use crate::{
    domain::wallet::top_up_amount,
    error::Error,
    store::top_ups::{self, Booked},
};

/// Puts money from a card into the caller's wallet.
///
/// Repeating a `request_id` answers with the entry that it made.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` same `request_id`, other body · `FAILED_PRECONDITION` the
/// wallet is closed, or would hold more than it may
pub(super) async fn top_up(
    payments: &Payments,
    caller: &Customer,
    request: wire::TopUpRequest,
) -> Result<wire::LedgerEntry, Error> {
    let TopUp { request_id, body } = TopUp::parse(request)?;
    let fingerprint = Fingerprint::of(&body);
    if let Some(entry) = earlier(payments, caller, &request_id, fingerprint).await? {
        return Ok(entry);
    }
    if let Some(refusal) = top_ups::refusal(&payments.db, caller.user_id, body.amount).await? {
        // Perhaps of money that an equal request put there at this moment.
        return earlier(payments, caller, &request_id, fingerprint).await?.ok_or(refusal.into());
    }
    payments.card.charge(&request_id, body.amount);
    match top_ups::book(&payments.db, caller.user_id, &request_id, fingerprint, body.amount).await? {
        Booked::Refused(refusal) => Err(refusal.into()),
        Booked::Done | Booked::Lost => {
            let entry = earlier(payments, caller, &request_id, fingerprint).await?;
            // Transfers are never deleted.
            entry.ok_or_else(|| sea_orm::DbErr::RecordNotFound("the transfer just booked".to_owned()).into())
        }
    }
}

async fn earlier(
    payments: &Payments,
    caller: &Customer,
    request_id: &RequestId,
    fingerprint: Fingerprint,
) -> Result<Option<wire::LedgerEntry>, Error> {
    match top_ups::find_by_request(&payments.db, caller.user_id, request_id).await? {
        Some((entry, same)) if same == fingerprint => Ok(Some(entry.into())),
        Some(_) => Err(Error::RequestIdReused),
        None => Ok(None),
    }
}

struct TopUp {
    request_id: RequestId,
    body: Body,
}

/// What must be the same when a request id is repeated.
#[derive(Serialize)]
struct Body {
    amount: Money,
}

impl TopUp {
    fn parse(request: wire::TopUpRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &request.request_id);
        let amount = parse_money(&mut violations, "amount", request.amount, top_up_amount);
        let parsed =
            request_id.zip(amount).map(|(request_id, amount)| Self { request_id, body: Body { amount } });
        violations.finish(parsed)
    }
}
