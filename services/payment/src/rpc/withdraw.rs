use auth::Customer;
use proto::payment::v1 as wire;
use sea_orm::TransactionTrait as _;
use serde::Serialize;
use server::wire::{above_zero, money, parse_money, timestamp};
use values::{CardId, Fingerprint, Money, RequestId, Violations, WithdrawalId};

use super::Payments;
use crate::{
    domain::withdrawal::{State, Withdrawal},
    error::Error,
    store::{
        cards,
        errands::{self, Errand, Kind},
        withdrawals::{self, New, Taken},
    },
};

/// Pays money from the caller's wallet out to a card of theirs.
///
/// Repeating a `request_id` answers with the withdrawal as it is now.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` same `request_id`, other body · `NOT_FOUND` no such card ·
/// `FAILED_PRECONDITION` the wallet holds less, or is closed, or there is no card
pub(super) async fn withdraw(
    payments: &Payments,
    caller: &Customer,
    request: wire::WithdrawRequest,
) -> Result<wire::Withdrawal, Error> {
    let Withdraw { request_id, body } = Withdraw::parse(request)?;
    let fingerprint = Fingerprint::of(&body);
    if let Some(earlier) = earlier(payments, caller, &request_id, fingerprint).await? {
        return Ok(earlier.into());
    }
    let card = cards::to_charge(&payments.db, caller.user_id, body.card).await?;
    let (card, token) = card.ok_or_else(|| Error::no_card(body.card))?;

    let (id, user, amount) = (WithdrawalId::new(), caller.user_id, body.amount);
    let traceparent = telemetry::propagation::traceparent();
    let errand = Errand { id: id.uuid(), kind: Kind::PayOut, token: Some(token), traceparent };
    let tx = payments.db.begin().await?;
    let new = New { id, user, card, amount, request: &request_id, fingerprint };
    match withdrawals::take(&tx, &new).await? {
        Taken::Done => {
            errands::add(&tx, &[errand], payments.errands.gateway().patience()).await?;
            fault::around("payment.withdraw.commit", tx.commit()).await?;
            payments.errands.see_through(id.uuid()).await?;
        }
        Taken::Lost => tx.rollback().await?,
        Taken::Refused(failure) => {
            tx.rollback().await?;
            return Err(Error::Refused(failure.into()));
        }
    }
    let made = earlier(payments, caller, &request_id, fingerprint).await?;
    // Withdrawals are never deleted.
    Ok(made.ok_or_else(|| sea_orm::DbErr::RecordNotFound("the withdrawal just made".to_owned()))?.into())
}

async fn earlier(
    payments: &Payments,
    caller: &Customer,
    request_id: &RequestId,
    fingerprint: Fingerprint,
) -> Result<Option<Withdrawal>, Error> {
    match withdrawals::find_by_request(&payments.db, caller.user_id, request_id).await? {
        Some((withdrawal, same)) if same == fingerprint => Ok(Some(withdrawal)),
        Some(_) => Err(Error::RequestIdReused),
        None => Ok(None),
    }
}

struct Withdraw {
    request_id: RequestId,
    body: Body,
}

/// What must be the same when a request id is repeated.
#[derive(Serialize)]
struct Body {
    amount: Money,
    card: Option<CardId>,
}

impl Withdraw {
    fn parse(request: wire::WithdrawRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &request.request_id);
        let amount = parse_money(&mut violations, "amount", request.amount, above_zero);
        let card = violations.take("card_id", super::optional(&request.card_id));
        let parsed = request_id.zip(amount).zip(card);
        violations.finish(
            parsed.map(|((request_id, amount), card)| Self { request_id, body: Body { amount, card } }),
        )
    }
}

impl From<Withdrawal> for wire::Withdrawal {
    fn from(withdrawal: Withdrawal) -> Self {
        let state = match withdrawal.state {
            State::Pending => wire::PayoutState::Pending,
            State::Done => wire::PayoutState::Done,
            State::Failed => wire::PayoutState::Failed,
        };
        Self {
            withdrawal_id: withdrawal.id.to_string(),
            state: state.into(),
            amount: Some(money(withdrawal.amount)),
            card_id: withdrawal.card.to_string(),
            create_time: Some(timestamp(withdrawal.created_at)),
        }
    }
}
