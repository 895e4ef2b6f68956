use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{OrderId, PaymentId, UserId};

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
    state: String,
    failure_reason: Option<String>,
    currency: String,
    amount: i64,
    refunded: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A payment of this user. The tombstone of an order that was cancelled in time is none.
pub(crate) async fn find_for(
    db: &impl ConnectionTrait,
    user: UserId,
    name: Name,
) -> Result<Option<Payment>, DbErr> {
    let (column, id) = match name {
        Name::Payment(id) => ("id", id.uuid()),
        Name::Order(id) => ("order_id", id.uuid()),
    };
    let read = format!(
        "SELECT id, order_id, user_id, state, failure_reason, currency, amount, refunded, created_at, updated_at
         FROM payments WHERE {column} = $1 AND user_id = $2 AND state <> 'CANCELLED'"
    );
    let row = Row::find_by_statement(sql(&read, [id.into(), user.uuid().into()])).one(db).await?;
    row.map(Payment::try_from).transpose()
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
