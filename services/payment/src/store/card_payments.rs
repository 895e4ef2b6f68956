//! Payments of orders by card, as the charges to the cards go on.

use std::{collections::HashMap, time::Duration};

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{CardId, Money, OrderId, PaymentId, TransferId, UserId};

use super::{
    errands::{self, Errand, Kind},
    records::Locked,
    sql, wallets,
};
use crate::{
    domain::{
        card_charge::{self, Refusal, Step},
        failure::Failure,
    },
    gateway::Token,
};

/// An order's total, due from a card of its customer.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    pub(crate) card: CardId,
    /// Nothing if the customer has no such card, or it wasn't looked for yet.
    pub(crate) token: Option<Token>,
    pub(crate) total: Money,
    /// The trace in which it is charged.
    pub(crate) traceparent: Option<String>,
}

#[derive(FromQueryResult)]
struct Standing {
    id: Uuid,
    token: Option<String>,
}

/// Those whose orders have neither a payment nor a tombstone, with the token of the card if the customer has such a card.
pub(crate) async fn open(tx: &impl ConnectionTrait, dues: Vec<Due>) -> Result<Vec<Due>, DbErr> {
    let read = "
        SELECT due.id, cards.token
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) AS due (id, order_id, user_id, card_id)
        LEFT JOIN cards ON cards.id = due.card_id AND cards.user_id = due.user_id
        WHERE NOT EXISTS (SELECT FROM payments WHERE payments.order_id = due.order_id)";
    let values = [
        dues.iter().map(|due| due.payment.uuid()).collect::<Vec<_>>().into(),
        dues.iter().map(|due| due.order.uuid()).collect::<Vec<_>>().into(),
        dues.iter().map(|due| due.user.uuid()).collect::<Vec<_>>().into(),
        dues.iter().map(|due| due.card.uuid()).collect::<Vec<_>>().into(),
    ];
    let standings = Standing::find_by_statement(sql(read, values)).all(tx).await?;
    let mut tokens: HashMap<Uuid, Option<Token>> =
        standings.into_iter().map(|row| (row.id, row.token.map(Token))).collect();
    let open = |due: Due| Some(Due { token: tokens.remove(&due.payment.uuid())?, ..due });
    Ok(dues.into_iter().filter_map(open).collect())
}

/// Begins to charge orders, whose payments were just inserted, to the cards that customers have.
pub(crate) async fn begin(tx: &impl ConnectionTrait, dues: &[Due]) -> Result<(), DbErr> {
    let dues: Vec<&Due> = dues.iter().filter(|due| due.token.is_some()).collect();
    let begin = "
        INSERT INTO card_charges (id, purpose, user_id, card_id, currency, amount)
        SELECT id, 'ORDER', user_id, card_id, currency, amount
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[])
            AS due (id, user_id, card_id, currency, amount)
        ORDER BY id";
    let values = [
        dues.iter().map(|due| due.payment.uuid()).collect::<Vec<_>>().into(),
        dues.iter().map(|due| due.user.uuid()).collect::<Vec<_>>().into(),
        dues.iter().map(|due| due.card.uuid()).collect::<Vec<_>>().into(),
        dues.iter().map(|due| due.total.currency().to_string()).collect::<Vec<_>>().into(),
        dues.iter().map(|due| due.total.minor_units()).collect::<Vec<_>>().into(),
    ];
    tx.execute_raw(sql(begin, values)).await?;
    let errand = |due: &&Due| Errand {
        id: due.payment.uuid(),
        kind: Kind::Charge,
        token: due.token.clone(),
        traceparent: due.traceparent.clone(),
    };
    errands::add(tx, &dues.iter().map(errand).collect::<Vec<_>>(), Duration::ZERO).await
}

/// Notes that a card's bank has promised the amount of a locked payment.
pub(crate) async fn authorised(tx: &impl ConnectionTrait, payment: PaymentId) -> Result<(), DbErr> {
    let note =
        "UPDATE payments SET state = 'AUTHORISED', version = version + 1, updated_at = now() WHERE id = $1";
    tx.execute_raw(sql(note, [payment.uuid().into()])).await?;
    Ok(())
}

/// Books what was taken from a card for a locked payment.
pub(crate) async fn captured(
    tx: &impl ConnectionTrait,
    payment: &Locked,
    amount: Money,
) -> Result<(), DbErr> {
    wallets::open_house(tx, amount.currency()).await?;
    let book = "
        WITH noted AS (
            UPDATE payments SET state = 'CAPTURED', version = version + 1, updated_at = now()
            WHERE id = $1 RETURNING order_id, currency, amount
        )
        INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, order_id)
        SELECT $2, 'CAPTURE', cards.id, sales.id, noted.currency, noted.amount, noted.order_id
        FROM noted
        JOIN accounts AS cards ON cards.kind = 'CARDS' AND cards.currency = noted.currency
        JOIN accounts AS sales ON sales.kind = 'SALES' AND sales.currency = noted.currency";
    let values = [payment.payment.uuid().into(), TransferId::new().uuid().into()];
    match tx.execute_raw(sql(book, values)).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(DbErr::Custom("an account of the house is gone".to_owned())),
    }
}

/// Notes that nothing was taken for locked payments, and nothing will be.
pub(crate) async fn failed(
    tx: &impl ConnectionTrait,
    payments: &[PaymentId],
    failure: Failure,
) -> Result<(), DbErr> {
    let payments: Vec<Uuid> = payments.iter().map(|payment| payment.uuid()).collect();
    let note = "
        UPDATE payments SET state = 'FAILED', failure_reason = $2, version = version + 1, updated_at = now()
        WHERE id = ANY($1)";
    tx.execute_raw(sql(note, [payments.into(), failure.name().into()])).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Open {
    id: Uuid,
    step: String,
    attempts: i32,
}

/// Gives up the charges of locked payments whose orders were cancelled: what was promised is to be given back, and what
/// may have been taken is looked for.
///
/// Answers with those that the gateway has never heard of, which have ended.
pub(crate) async fn give_up(
    tx: &impl ConnectionTrait,
    payments: &[PaymentId],
) -> Result<Vec<PaymentId>, DbErr> {
    let payments: Vec<Uuid> = payments.iter().map(|payment| payment.uuid()).collect();
    let lock = "
        SELECT id, step, attempts FROM card_charges JOIN errands USING (id)
        WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
    let open = Open::find_by_statement(sql(lock, [payments.into()])).all(tx).await?;
    let steps = open.into_iter().map(|row| {
        let step = super::stored(Step::named(&row.step).ok_or("is no step of a charge"))?;
        Ok((row.id, card_charge::unwanted(step, row.attempts > 0)))
    });
    let steps = steps.collect::<Result<Vec<_>, DbErr>>()?;
    let (ids, names): (Vec<Uuid>, Vec<String>) =
        steps.iter().map(|(id, step)| (*id, step.name().to_owned())).unzip();
    let give_up = "
        WITH unwanted AS (
            SELECT * FROM unnest($1::uuid[], $2::text[]) AS unwanted (id, step)
        ), given_up AS (
            UPDATE card_charges SET step = unwanted.step, refusal = $3
            FROM unwanted WHERE card_charges.id = unwanted.id
        ), ended AS (
            DELETE FROM errands USING unwanted WHERE errands.id = unwanted.id AND unwanted.step = 'REFUSED'
        )
        UPDATE errands SET due_at = now() FROM unwanted
        WHERE errands.id = unwanted.id AND unwanted.step <> 'REFUSED'";
    let cancelled = Refusal::Failure(Failure::OrderCancelled).name();
    tx.execute_raw(sql(give_up, [ids.into(), names.into(), cancelled.into()])).await?;
    let ended = steps.into_iter().filter(|(_, step)| !step.is_open());
    Ok(ended.map(|(id, _)| PaymentId::from_uuid(id)).collect())
}
