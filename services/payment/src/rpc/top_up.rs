use auth::Customer;
use proto::payment::v1 as wire;
use sea_orm::TransactionTrait as _;
use serde::Serialize;
use server::wire::parse_money;
use uuid::Uuid;
use values::{CardId, Fingerprint, Money, RequestId, Violations};

use super::Payments;
use crate::{
    domain::{card_charge::Step, wallet::top_up_amount},
    error::Error,
    store::{
        card_charges, cards,
        errands::{self, Errand, Kind},
        top_ups,
    },
};

/// Puts money from a card into the caller's wallet.
///
/// Repeating a `request_id` answers with the entry that it made.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` same `request_id`, other body · `NOT_FOUND` no such card ·
/// `FAILED_PRECONDITION` the card is declined, there is none, or the wallet is closed or full · `UNAVAILABLE` the
/// gateway says nothing yet
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
    let Some(charge) = begun(payments, caller, &request_id, fingerprint, &body).await? else {
        // An equal request has begun and ended since it was looked for.
        return earlier(payments, caller, &request_id, fingerprint).await?.ok_or(Error::GatewaySilent);
    };
    payments.errands.see_through(charge).await?;

    let charge = card_charges::find(&payments.db, charge).await?;
    match charge.map(|charge| (charge.id, charge.step, charge.refusal)) {
        Some((id, Step::Refused, Some(refusal))) => {
            fault::around("payment.told.commit", card_charges::told(&payments.db, id)).await?;
            Err(Error::Refused(refusal))
        }
        Some((_, Step::Captured, _)) => {
            let entry = earlier(payments, caller, &request_id, fingerprint).await?;
            // Transfers are never deleted.
            entry.ok_or_else(|| sea_orm::DbErr::RecordNotFound("the transfer just booked".to_owned()).into())
        }
        _ => Err(Error::GatewaySilent),
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

/// The charge that this request makes, begun now unless it was before.
async fn begun(
    payments: &Payments,
    caller: &Customer,
    request_id: &RequestId,
    fingerprint: Fingerprint,
    body: &Body,
) -> Result<Option<Uuid>, Error> {
    if let Some(charge) = under_way(payments, caller, request_id, fingerprint).await? {
        return Ok(Some(charge));
    }
    if let Some(refusal) = top_ups::refusal(&payments.db, caller.user_id, body.amount).await? {
        // Perhaps of money that an equal request put there at this moment.
        let is_made = earlier(payments, caller, request_id, fingerprint).await?.is_some();
        return if is_made { Ok(None) } else { Err(Error::Refused(refusal)) };
    }
    let card = cards::to_charge(&payments.db, caller.user_id, body.card).await?;
    let (card, token) = card.ok_or_else(|| Error::no_card(body.card))?;

    let id = Uuid::now_v7();
    let begun = card_charges::TopUp { id, fingerprint };
    let traceparent = telemetry::propagation::traceparent();
    let errand = Errand { id, kind: Kind::Charge, token: Some(token), traceparent };
    let tx = payments.db.begin().await?;
    if !card_charges::begin_top_up(&tx, begun, (caller.user_id, request_id), card, body.amount).await? {
        tx.rollback().await?;
        return under_way(payments, caller, request_id, fingerprint).await;
    }
    errands::add(&tx, &[errand], payments.errands.gateway().patience()).await?;
    fault::around("payment.top_up.commit", tx.commit()).await?;
    Ok(Some(id))
}

async fn under_way(
    payments: &Payments,
    caller: &Customer,
    request_id: &RequestId,
    fingerprint: Fingerprint,
) -> Result<Option<Uuid>, Error> {
    match card_charges::top_up(&payments.db, caller.user_id, request_id).await? {
        Some(top_up) if top_up.fingerprint == fingerprint => Ok(Some(top_up.id)),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<CardId>,
}

impl TopUp {
    fn parse(request: wire::TopUpRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &request.request_id);
        let amount = parse_money(&mut violations, "amount", request.amount, top_up_amount);
        let card = violations.take("card_id", super::optional(&request.card_id));
        let parsed = request_id.zip(amount).zip(card);
        violations.finish(
            parsed.map(|((request_id, amount), card)| Self { request_id, body: Body { amount, card } }),
        )
    }
}
