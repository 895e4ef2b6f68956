//! What is recorded for an order, locked for whoever changes it.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{CardId, Money, OrderId, PaymentId, UserId};

use super::{card_payments, charges::Decided, money, payments, sql};
use crate::domain::{failure::Failure, payment::State, refund::Record};

/// What is recorded for an order, locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locked {
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    /// The card that pays, if none of the wallets does.
    pub(crate) card: Option<CardId>,
    pub(crate) record: Record,
    /// Nothing for a tombstone.
    pub(crate) amount: Option<Money>,
    /// Minor units that have been given back.
    pub(crate) refunded: i64,
    /// Minor units that are about to be.
    pub(crate) refund_due: i64,
    pub(crate) version: i64,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    order_id: Uuid,
    user_id: Uuid,
    card_id: Option<Uuid>,
    state: String,
    failure_reason: Option<String>,
    currency: Option<String>,
    amount: Option<i64>,
    refunded: i64,
    refund_due: i64,
    version: i64,
}

const READ: &str = "
    SELECT id, order_id, user_id, card_id, state, failure_reason, currency, amount, refunded, refund_due, version
    FROM payments";

/// Locks what is recorded for these orders, in the order of their ids.
pub(crate) async fn lock(
    tx: &impl ConnectionTrait,
    orders: &BTreeSet<OrderId>,
) -> Result<Vec<Locked>, DbErr> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let lock = format!("{READ} WHERE order_id = ANY($1) ORDER BY order_id FOR NO KEY UPDATE");
    let rows = Row::find_by_statement(sql(&lock, [orders.into()])).all(tx).await?;
    rows.into_iter().map(Locked::try_from).collect()
}

/// Locks one payment.
pub(crate) async fn lock_one(tx: &impl ConnectionTrait, payment: PaymentId) -> Result<Option<Locked>, DbErr> {
    let lock = format!("{READ} WHERE id = $1 FOR NO KEY UPDATE");
    let row = Row::find_by_statement(sql(&lock, [payment.uuid().into()])).one(tx).await?;
    row.map(Locked::try_from).transpose()
}

impl TryFrom<Row> for Locked {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let amount =
            row.amount.zip(row.currency).map(|(amount, currency)| money(amount, &currency)).transpose()?;
        Ok(Self {
            payment: PaymentId::from_uuid(row.id),
            order: OrderId::from_uuid(row.order_id),
            user: UserId::from_uuid(row.user_id),
            card: row.card_id.map(CardId::from_uuid),
            record: payments::record(&row.state, row.failure_reason.as_deref())?,
            amount,
            refunded: row.refunded,
            refund_due: row.refund_due,
            version: row.version,
        })
    }
}

/// The payment of an order, about to be recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct New {
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    pub(crate) card: Option<CardId>,
    pub(crate) total: Money,
    pub(crate) state: State,
}

impl From<&Decided> for New {
    fn from(decided: &Decided) -> Self {
        let state = match decided.outcome {
            Ok(_) => State::Captured,
            Err(failure) => State::Failed(failure),
        };
        let Decided { payment, due, .. } = *decided;
        Self { payment, order: due.order, user: due.user, card: None, total: due.total, state }
    }
}

impl From<&card_payments::Due> for New {
    fn from(due: &card_payments::Due) -> Self {
        let card_payments::Due { payment, order, user, card, total, .. } = *due;
        let state = if due.token.is_some() { State::Pending } else { State::Failed(Failure::CardUnknown) };
        Self { payment, order, user, card: Some(card), total, state }
    }
}

/// Inserts payments, in the order of their orders' ids.
///
/// `false` if one of the orders has a payment or a tombstone by now: the transaction must then be rolled back.
pub(crate) async fn insert(tx: &impl ConnectionTrait, payments: &[New]) -> Result<bool, DbErr> {
    let insert = "
        INSERT INTO payments (id, order_id, user_id, card_id, state, failure_reason, currency, amount)
        SELECT id, order_id, user_id, NULLIF(card_id, $9), state, NULLIF(failure_reason, ''), currency, amount
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::bigint[])
            AS payment (id, order_id, user_id, card_id, state, failure_reason, currency, amount)
        ORDER BY order_id
        ON CONFLICT (order_id) DO NOTHING";
    let (states, reasons): (Vec<String>, Vec<String>) = payments
        .iter()
        .map(|payment| payments::columns(payment.state))
        .map(|(state, reason)| (state.to_owned(), reason.unwrap_or_default().to_owned()))
        .unzip();
    let card = |payment: &New| payment.card.map_or(Uuid::nil(), CardId::uuid);
    let values = [
        payments.iter().map(|payment| payment.payment.uuid()).collect::<Vec<_>>().into(),
        payments.iter().map(|payment| payment.order.uuid()).collect::<Vec<_>>().into(),
        payments.iter().map(|payment| payment.user.uuid()).collect::<Vec<_>>().into(),
        payments.iter().map(card).collect::<Vec<_>>().into(),
        states.into(),
        reasons.into(),
        payments.iter().map(|payment| payment.total.currency().to_string()).collect::<Vec<_>>().into(),
        payments.iter().map(|payment| payment.total.minor_units()).collect::<Vec<_>>().into(),
        Uuid::nil().into(),
    ];
    let inserted = tx.execute_raw(sql(insert, values)).await?.rows_affected();
    Ok(usize::try_from(inserted) == Ok(payments.len()))
}

/// An order that was cancelled before its charge arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tombstone {
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
}

/// Leaves tombstones, in the order of the orders' ids.
///
/// `false` if the charge of one of them arrived since [`lock`] looked: the transaction must then be rolled back.
pub(crate) async fn bury(tx: &impl ConnectionTrait, cancelled: &[Tombstone]) -> Result<bool, DbErr> {
    let payments: Vec<Uuid> = cancelled.iter().map(|tombstone| tombstone.payment.uuid()).collect();
    let orders: Vec<Uuid> = cancelled.iter().map(|tombstone| tombstone.order.uuid()).collect();
    let users: Vec<Uuid> = cancelled.iter().map(|tombstone| tombstone.user.uuid()).collect();
    let bury = "
        INSERT INTO payments (id, order_id, user_id, state)
        SELECT id, order_id, user_id, 'CANCELLED'
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS cancelled (id, order_id, user_id)
        ORDER BY order_id
        ON CONFLICT (order_id) DO NOTHING";
    let buried =
        tx.execute_raw(sql(bury, [payments.into(), orders.into(), users.into()])).await?.rows_affected();
    Ok(usize::try_from(buried) == Ok(cancelled.len()))
}
