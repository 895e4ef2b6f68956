use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Money, OrderId, PaymentId, TransferId, UserId};

use super::{money, payments, sql};
use crate::domain::refund::Record;

/// The cause of a refund for a cancelled order; with the order it names the refund.
const ORDER_CANCELLED: &str = "order.cancelled";

/// What is recorded for an order, locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locked {
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    pub(crate) record: Record,
    /// Nothing for a tombstone.
    pub(crate) amount: Option<Money>,
    /// Minor units.
    pub(crate) refunded: i64,
    pub(crate) version: i64,
}

/// Money that goes back into a wallet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refund {
    pub(crate) payment: Locked,
    pub(crate) amount: Money,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    order_id: Uuid,
    user_id: Uuid,
    state: String,
    failure_reason: Option<String>,
    currency: Option<String>,
    amount: Option<i64>,
    refunded: i64,
    version: i64,
}

/// Locks what is recorded for these orders, in the order of their ids.
pub(crate) async fn lock(
    tx: &impl ConnectionTrait,
    orders: &BTreeSet<OrderId>,
) -> Result<Vec<Locked>, DbErr> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let lock = "
        SELECT id, order_id, user_id, state, failure_reason, currency, amount, refunded, version
        FROM payments WHERE order_id = ANY($1) ORDER BY order_id FOR NO KEY UPDATE";
    let rows = Row::find_by_statement(sql(lock, [orders.into()])).all(tx).await?;
    rows.into_iter().map(Locked::try_from).collect()
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
            record: payments::record(&row.state, row.failure_reason.as_deref())?,
            amount,
            refunded: row.refunded,
            version: row.version,
        })
    }
}

/// Books refunds: locks the wallets in the order of their ids, then moves the money. A closed wallet takes it too.
pub(crate) async fn book(tx: &impl ConnectionTrait, refunds: &[Refund]) -> Result<(), DbErr> {
    let users: Vec<Uuid> = refunds.iter().map(|refund| refund.payment.user.uuid()).collect();
    let orders: Vec<Uuid> = refunds.iter().map(|refund| refund.payment.order.uuid()).collect();
    let currencies: Vec<String> = refunds.iter().map(|refund| refund.amount.currency().to_string()).collect();
    let amounts: Vec<i64> = refunds.iter().map(|refund| refund.amount.minor_units()).collect();
    let transfers: Vec<Uuid> = refunds.iter().map(|_| TransferId::new().uuid()).collect();

    let lock = "
        SELECT id FROM accounts
        WHERE kind = 'WALLET' AND (user_id, currency) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
        ORDER BY id FOR NO KEY UPDATE";
    tx.query_all_raw(sql(lock, [users.clone().into(), currencies.clone().into()])).await?;

    let book = "
        WITH refund AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[])
                AS refund (id, order_id, user_id, currency, amount)
        ), given AS (
            UPDATE accounts SET balance = balance + back.amount
            FROM (SELECT user_id, currency, sum(amount)::bigint AS amount FROM refund GROUP BY 1, 2) AS back
            WHERE kind = 'WALLET' AND accounts.user_id = back.user_id AND accounts.currency = back.currency
        ), noted AS (
            UPDATE payments
            SET refunded = refunded + refund.amount, state = 'REFUNDED', version = version + 1, updated_at = now()
            FROM refund WHERE payments.order_id = refund.order_id
        )
        INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, order_id, cause)
        SELECT refund.id, 'REFUND', sales.id, wallet.id, refund.currency, refund.amount, refund.order_id, $6
        FROM refund
        JOIN accounts AS sales ON sales.kind = 'SALES' AND sales.currency = refund.currency
        JOIN accounts AS wallet
            ON wallet.kind = 'WALLET' AND wallet.user_id = refund.user_id AND wallet.currency = refund.currency";
    let values = [
        transfers.into(),
        orders.into(),
        users.into(),
        currencies.into(),
        amounts.into(),
        ORDER_CANCELLED.into(),
    ];
    let booked = tx.execute_raw(sql(book, values)).await?.rows_affected();
    if usize::try_from(booked) != Ok(refunds.len()) {
        return Err(DbErr::Custom("a wallet that has paid is gone".to_owned()));
    }
    Ok(())
}

/// Leaves a tombstone for orders that were cancelled before their charge arrived, in the order of their ids.
///
/// `false` if the charge of one of them arrived since [`lock`] looked: the transaction must then be rolled back.
pub(crate) async fn bury(tx: &impl ConnectionTrait, cancelled: &[(OrderId, UserId)]) -> Result<bool, DbErr> {
    let ids: Vec<Uuid> = cancelled.iter().map(|_| PaymentId::new().uuid()).collect();
    let (orders, users): (Vec<Uuid>, Vec<Uuid>) =
        cancelled.iter().map(|(order, user)| (order.uuid(), user.uuid())).unzip();
    let bury = "
        INSERT INTO payments (id, order_id, user_id, state)
        SELECT id, order_id, user_id, 'CANCELLED'
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS cancelled (id, order_id, user_id)
        ORDER BY order_id
        ON CONFLICT (order_id) DO NOTHING";
    let buried = tx.execute_raw(sql(bury, [ids.into(), orders.into(), users.into()])).await?.rows_affected();
    Ok(usize::try_from(buried) == Ok(cancelled.len()))
}
