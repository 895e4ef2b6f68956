use auth::Customer;
use proto::payment::v1 as wire;
use sea_orm::TransactionTrait as _;
use serde::Serialize;
use values::{Fingerprint, RequestId, Violations, text};

use super::Payments;
use crate::{
    domain::{card::Card, failure::Failure},
    error::Error,
    gateway::{Answer, Token},
    store::cards,
};

/// Keeps a card of the caller's, by the token that the gateway gave for it.
///
/// Repeating a `request_id` answers with the card that it added.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` same `request_id`, other body · `FAILED_PRECONDITION` the
/// gateway doesn't know the token, or the wallet is closed · `UNAVAILABLE` the gateway says nothing
pub(super) async fn add_card(
    payments: &Payments,
    caller: &Customer,
    request: wire::AddCardRequest,
) -> Result<wire::Card, Error> {
    let AddCard { request_id, body } = AddCard::parse(&request)?;
    let fingerprint = Fingerprint::of(&body);
    if let Some(card) = earlier(payments, caller, &request_id, fingerprint).await? {
        return Ok(card.into());
    }
    let token = Token(body.token);
    let face = match payments.errands.gateway().ask("card.look_up", |gateway| gateway.look_up(&token)).await {
        Answer::Done(face) => face,
        Answer::Declined(failure) => return Err(Error::Refused(failure.into())),
        Answer::Unknown => return Err(Error::GatewaySilent),
    };
    let tx = payments.db.begin().await?;
    cards::insert(&tx, caller.user_id, &request_id, fingerprint, &token, &face).await?;
    fault::around("payment.add_card.commit", tx.commit()).await?;
    let card = earlier(payments, caller, &request_id, fingerprint).await?;
    Ok(card.ok_or(Error::Refused(Failure::WalletClosed.into()))?.into())
}

async fn earlier(
    payments: &Payments,
    caller: &Customer,
    request_id: &RequestId,
    fingerprint: Fingerprint,
) -> Result<Option<Card>, Error> {
    match cards::find_by_request(&payments.db, caller.user_id, request_id).await? {
        Some((card, same)) if same == fingerprint => Ok(Some(card)),
        Some(_) => Err(Error::RequestIdReused),
        None => Ok(None),
    }
}

struct AddCard {
    request_id: RequestId,
    body: Body,
}

/// What must be the same when a request id is repeated.
#[derive(Serialize)]
struct Body {
    token: String,
}

impl AddCard {
    fn parse(request: &wire::AddCardRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &request.request_id);
        let token = violations.take("token", text(&request.token, 1..=100));
        let parsed = request_id.zip(token);
        violations.finish(parsed.map(|(request_id, token)| Self { request_id, body: Body { token } }))
    }
}
