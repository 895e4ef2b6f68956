use auth::{Customer, Permission};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};
use uuid::Uuid;
use values::{CardId, OrderId, PaymentId, UserId};

use super::{money, sql, stored};
use crate::domain::{
    failure::Failure,
    payment::{Payment, State},
    refund::Record,
};

/// How a payment is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// By its own id.
    Payment(PaymentId),
    /// By the id of its order.
    Order(OrderId),
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    order_id: Uuid,
    user_id: Uuid,
    card_id: Option<Uuid>,
    state: String,
    failure_reason: Option<String>,
    currency: String,
    amount: i64,
    refunded: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The tombstone of an order that was cancelled in time is no payment.
const READ: &str = "
    SELECT id, order_id, user_id, card_id, state, failure_reason, currency, amount, refunded, created_at, updated_at
    FROM payments WHERE state <> 'CANCELLED'";

/// A payment that the caller may read.
pub(crate) async fn find_for(
    db: &impl ConnectionTrait,
    caller: &Customer,
    name: Name,
) -> Result<Option<Payment>, DbErr> {
    let (column, id) = match name {
        Name::Payment(id) => ("id", id.uuid()),
        Name::Order(id) => ("order_id", id.uuid()),
    };
    let of_whom = (!caller.may(Permission::PAYMENTS_READ)).then_some(caller.user_id.uuid());
    let read = format!("{READ} AND {column} = $1 AND ($2::uuid IS NULL OR user_id = $2)");
    let row = Row::find_by_statement(sql(&read, [id.into(), of_whom.into()])).one(db).await?;
    row.map(Payment::try_from).transpose()
}

/// A payment, for staff who look after it.
pub(crate) async fn find(db: &impl ConnectionTrait, id: PaymentId) -> Result<Option<Payment>, DbErr> {
    let read = format!("{READ} AND id = $1");
    Row::find_by_statement(sql(&read, [id.uuid().into()])).one(db).await?.map(Payment::try_from).transpose()
}

/// Which payments are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) user: Option<UserId>,
    /// As the database calls it.
    pub(crate) state: Option<&'static str>,
}

/// At most `limit` payments that the caller may read, the newest first, older than `before`.
pub(crate) async fn page_for(
    db: &impl ConnectionTrait,
    caller: &Customer,
    wanted: Wanted,
    before: Option<PaymentId>,
    limit: u64,
) -> Result<Vec<Payment>, DbErr> {
    let user = match wanted.user {
        _ if caller.may(Permission::PAYMENTS_READ) => wanted.user,
        Some(other) if other != caller.user_id => return Ok(Vec::new()),
        _ => Some(caller.user_id),
    };
    let rows = Row::find_by_statement(page(Wanted { user, ..wanted }, before, limit)).all(db).await?;
    rows.into_iter().map(Payment::try_from).collect()
}

/// A statement for each kind of list, with the state in its text, so that each is planned for its index.
fn page(wanted: Wanted, before: Option<PaymentId>, limit: u64) -> Statement {
    let of_whom = if wanted.user.is_some() { "user_id = $1" } else { "$1::uuid IS NULL" };
    let in_state = wanted.state.map(|state| format!("AND state = '{state}'")).unwrap_or_default();
    let read = format!("{READ} AND {of_whom} {in_state} AND id < $2 ORDER BY id DESC LIMIT $3");
    let values = [
        wanted.user.map(UserId::uuid).into(),
        before.map_or(Uuid::max(), PaymentId::uuid).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    sql(&read, values)
}

impl TryFrom<Row> for Payment {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let state = match record(&row.state, row.failure_reason.as_deref())? {
            Record::Payment(state) => Ok(state),
            Record::Tombstone => Err("is no payment"),
        };
        Ok(Self {
            id: PaymentId::from_uuid(row.id),
            order: OrderId::from_uuid(row.order_id),
            user: UserId::from_uuid(row.user_id),
            card: row.card_id.map(CardId::from_uuid),
            state: stored(state)?,
            amount: money(row.amount, &row.currency)?,
            refunded: money(row.refunded, &row.currency)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Reads the columns `state` and `failure_reason`.
pub(super) fn record(state: &str, failure_reason: Option<&str>) -> Result<Record, DbErr> {
    stored(match (state, failure_reason) {
        ("PENDING", None) => Ok(Record::Payment(State::Pending)),
        ("AUTHORISED", None) => Ok(Record::Payment(State::Authorised)),
        ("CAPTURED", None) => Ok(Record::Payment(State::Captured)),
        ("REFUNDED", None) => Ok(Record::Payment(State::Refunded)),
        ("FAILED", Some(reason)) => {
            let failure = Failure::named(reason).ok_or("is no reason of a failure");
            failure.map(|failure| Record::Payment(State::Failed(failure)))
        }
        ("CANCELLED", None) => Ok(Record::Tombstone),
        _ => Err("is no state of a payment"),
    })
}

/// What the columns `state` and `failure_reason` say of a payment.
pub(super) fn columns(state: State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Pending => ("PENDING", None),
        State::Authorised => ("AUTHORISED", None),
        State::Captured => ("CAPTURED", None),
        State::Refunded => ("REFUNDED", None),
        State::Failed(failure) => ("FAILED", Some(failure.name())),
    }
}

#[cfg(test)]
mod tests;
