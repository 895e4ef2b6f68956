//! What the sweeper looks for, and what a capture asks.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{OrderId, ReservationId};

use super::{rows::reservation, sql};

/// An order that waits for something, with the trace that it was placed in, while that is known.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: OrderId,
    pub(crate) reservation: ReservationId,
    pub(crate) traceparent: Option<String>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    reservation_id: Uuid,
    traceparent: Option<String>,
}

impl From<Row> for Waiting {
    fn from(row: Row) -> Self {
        Self {
            id: OrderId::from_uuid(row.id),
            reservation: reservation(row.reservation_id),
            traceparent: row.traceparent,
        }
    }
}

/// Locks at most `limit` orders after `after` whose payment is overdue, in the order of their ids.
///
/// The time runs from the first publication of the event that asks for the payment. Before it there is none; an event
/// that the broker refuses for good will never be paid for, and one that is gone from the outbox is long past.
/// Waits for nobody: whoever has locked an order is settling it.
pub(crate) async fn lock_unpaid(
    tx: &impl ConnectionTrait,
    deadline: Duration,
    after: OrderId,
    limit: u32,
) -> Result<Vec<Waiting>, DbErr> {
    let lock = "
        SELECT orders.id, reservation_id, traceparent
        FROM orders LEFT JOIN outbox ON event_id = placed_event
        WHERE state = 'PENDING' AND payment_state = 'PENDING' AND orders.id > $1
              AND (event_id IS NULL OR refused IS NOT NULL OR first_published_at <= now() - $2 * interval '1 second')
        ORDER BY orders.id LIMIT $3 FOR UPDATE OF orders SKIP LOCKED";
    let values = [after.uuid().into(), deadline.as_secs_f64().into(), i64::from(limit).into()];
    let rows = Row::find_by_statement(sql(lock, values)).all(tx).await?;
    Ok(rows.into_iter().map(Waiting::from).collect())
}

/// At most `limit` orders after `after` that have been paid for a while and still wait for their stock.
///
/// Locks nothing, since inventory is asked next; two replicas that ask get the same answer.
pub(crate) async fn paid_but_uncommitted(
    db: &impl ConnectionTrait,
    for_at_least: Duration,
    after: OrderId,
    limit: u32,
) -> Result<Vec<Waiting>, DbErr> {
    let find = "
        SELECT orders.id, reservation_id, traceparent
        FROM orders LEFT JOIN outbox ON event_id = placed_event
        WHERE state = 'PENDING' AND payment_state IN ('CAPTURED', 'REFUNDED') AND orders.id > $1
              AND updated_at <= now() - $2 * interval '1 second'
        ORDER BY orders.id LIMIT $3";
    let values = [after.uuid().into(), for_at_least.as_secs_f64().into(), i64::from(limit).into()];
    let rows = Row::find_by_statement(sql(find, values)).all(db).await?;
    Ok(rows.into_iter().map(Waiting::from).collect())
}

/// How many orders [`paid_but_uncommitted`] finds in all.
pub(crate) async fn count_paid_but_uncommitted(
    db: &impl ConnectionTrait,
    for_at_least: Duration,
) -> Result<u64, DbErr> {
    let count = "
        SELECT count(*) AS waiting FROM orders
        WHERE state = 'PENDING' AND payment_state IN ('CAPTURED', 'REFUNDED')
              AND updated_at <= now() - $1 * interval '1 second'";
    let row = db.query_one_raw(sql(count, [for_at_least.as_secs_f64().into()])).await?;
    let waiting: i64 = row.map(|row| row.try_get("", "waiting")).transpose()?.unwrap_or_default();
    Ok(waiting.unsigned_abs())
}

/// Those of these orders that are PENDING, with their reservations. Locks nothing, since inventory is asked next.
pub(crate) async fn pending(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<Vec<(OrderId, ReservationId)>, DbErr> {
    let ids: Vec<Uuid> = ids.into_iter().map(OrderId::uuid).collect();
    let find = "SELECT id, reservation_id, NULL::text AS traceparent FROM orders
                WHERE id = ANY($1) AND state = 'PENDING'";
    let rows = Row::find_by_statement(sql(find, [ids.into()])).all(db).await?;
    Ok(rows.into_iter().map(|row| (OrderId::from_uuid(row.id), reservation(row.reservation_id))).collect())
}
