use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{CardId, Fingerprint, Money, RequestId, UserId};

use super::{money, sql, stored};
use crate::{
    domain::card_charge::{Refusal, Step},
    gateway::Reference,
};

/// What a card is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The customer's wallet.
    TopUp,
    /// An order: the charge has the id of its payment.
    Order,
}

/// A charge to a card.
#[derive(Clone, Debug)]
pub(crate) struct CardCharge {
    pub(crate) id: Uuid,
    pub(crate) purpose: Purpose,
    pub(crate) user: UserId,
    pub(crate) amount: Money,
    pub(crate) step: Step,
    /// While it is under way: why it is to be undone.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) authorisation: Option<Reference>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    purpose: String,
    user_id: Uuid,
    currency: String,
    amount: i64,
    step: String,
    refusal: Option<String>,
    authorisation: Option<String>,
}

const READ: &str =
    "SELECT id, purpose, user_id, currency, amount, step, refusal, authorisation FROM card_charges";

impl TryFrom<Row> for CardCharge {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let purpose = match row.purpose.as_str() {
            "TOP_UP" => Ok(Purpose::TopUp),
            "ORDER" => Ok(Purpose::Order),
            _ => Err("is no purpose of a charge"),
        };
        Ok(Self {
            id: row.id,
            purpose: stored(purpose)?,
            user: UserId::from_uuid(row.user_id),
            amount: money(row.amount, &row.currency)?,
            step: stored(Step::named(&row.step).ok_or("is no step of a charge"))?,
            refusal: row.refusal.as_deref().map(refusal).transpose()?,
            authorisation: row.authorisation.map(Reference),
        })
    }
}

fn refusal(name: &str) -> Result<Refusal, DbErr> {
    stored(Refusal::named(name).ok_or("is no refusal of a charge"))
}

/// A charge by its id, as it is now.
pub(crate) async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<CardCharge>, DbErr> {
    let row = Row::find_by_statement(sql(&format!("{READ} WHERE id = $1"), [id.into()])).one(db).await?;
    row.map(CardCharge::try_from).transpose()
}

/// Locks a charge.
pub(crate) async fn lock(tx: &impl ConnectionTrait, id: Uuid) -> Result<Option<CardCharge>, DbErr> {
    let lock = format!("{READ} WHERE id = $1 FOR NO KEY UPDATE");
    Row::find_by_statement(sql(&lock, [id.into()])).one(tx).await?.map(CardCharge::try_from).transpose()
}

#[derive(FromQueryResult)]
struct Captured {
    capture: String,
}

/// What the gateway calls the capture of a charge, once there is one.
pub(crate) async fn capture(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<Reference>, DbErr> {
    let read = "SELECT capture FROM card_charges WHERE id = $1 AND capture IS NOT NULL";
    let row = Captured::find_by_statement(sql(read, [id.into()])).one(db).await?;
    Ok(row.map(|row| Reference(row.capture)))
}

/// Takes a locked charge on, with what the gateway has just made.
pub(crate) async fn go_on(
    tx: &impl ConnectionTrait,
    id: Uuid,
    (step, refusal): (Step, Option<Refusal>),
    made: Option<&Reference>,
) -> Result<(), DbErr> {
    let go_on = "
        UPDATE card_charges
        SET authorisation = CASE WHEN step = 'AUTHORISE' THEN COALESCE($4, authorisation) ELSE authorisation END,
            capture = CASE WHEN $2 = 'CAPTURED' THEN $4 END,
            step = $2,
            refusal = $3
        WHERE id = $1";
    let values = [
        id.into(),
        step.name().into(),
        refusal.map(Refusal::name).into(),
        made.map(|reference| reference.0.clone()).into(),
    ];
    tx.execute_raw(sql(go_on, values)).await?;
    Ok(())
}

/// A top-up by card that is under way or was refused without its customer having heard of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopUp {
    pub(crate) id: Uuid,
    pub(crate) fingerprint: Fingerprint,
}

#[derive(FromQueryResult)]
struct TopUpRow {
    id: Uuid,
    request_fingerprint: Vec<u8>,
}

/// The top-up that a request of this user is making.
pub(crate) async fn top_up(
    db: &impl ConnectionTrait,
    user: UserId,
    request: &RequestId,
) -> Result<Option<TopUp>, DbErr> {
    let read = "
        SELECT id, request_fingerprint FROM card_charges
        WHERE purpose = 'TOP_UP' AND user_id = $1 AND request_id = $2 AND NOT told";
    let row =
        TopUpRow::find_by_statement(sql(read, [user.uuid().into(), request.as_str().into()])).one(db).await?;
    row.map(|row| {
        let fingerprint = stored(Fingerprint::try_from(row.request_fingerprint.as_slice()))?;
        Ok(TopUp { id: row.id, fingerprint })
    })
    .transpose()
}

/// Begins a top-up by card; `false` if the same request has begun it.
pub(crate) async fn begin_top_up(
    tx: &impl ConnectionTrait,
    top_up: TopUp,
    (user, request): (UserId, &RequestId),
    card: CardId,
    amount: Money,
) -> Result<bool, DbErr> {
    let begin = "
        INSERT INTO card_charges (id, purpose, user_id, card_id, currency, amount, request_id, request_fingerprint)
        VALUES ($1, 'TOP_UP', $2, $3, $4, $5, $6, $7)
        ON CONFLICT (user_id, request_id) WHERE purpose = 'TOP_UP' AND NOT told DO NOTHING";
    let values = [
        top_up.id.into(),
        user.uuid().into(),
        card.uuid().into(),
        amount.currency().code().into(),
        amount.minor_units().into(),
        request.as_str().into(),
        top_up.fingerprint.as_bytes().to_vec().into(),
    ];
    Ok(tx.execute_raw(sql(begin, values)).await?.rows_affected() == 1)
}

/// Notes that the customer hears of a refusal, so that the same request may try again.
pub(crate) async fn told(db: &impl ConnectionTrait, id: Uuid) -> Result<(), DbErr> {
    let told = "UPDATE card_charges SET told = true WHERE id = $1 AND step = 'REFUSED'";
    db.execute_raw(sql(told, [id.into()])).await?;
    Ok(())
}
