//! Changing orders, many at once.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{OrderId, ReservationId, UserId};

use super::{
    rows::{LockedRow, STANDING},
    sql,
};
use crate::domain::{Actor, CancelReason, FailureReason, Standing, State};

/// An order that this transaction has locked.
#[derive(Clone, Debug)]
pub(crate) struct Locked {
    pub(crate) id: OrderId,
    pub(crate) user: UserId,
    pub(crate) reservation: ReservationId,
    pub(crate) standing: Standing,
    pub(crate) version: i64,
    /// Seconds since it was placed, by the database's clock.
    pub(crate) age: f64,
}

impl TryFrom<LockedRow> for Locked {
    type Error = DbErr;

    fn try_from(row: LockedRow) -> Result<Self, DbErr> {
        Ok(Self {
            id: OrderId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            reservation: ReservationId::from_uuid(row.reservation_id),
            standing: row.standing.try_into()?,
            version: row.version,
            age: row.age,
        })
    }
}

/// A step that an order takes, for its history.
#[derive(Clone, Debug)]
pub(crate) struct NewStep {
    pub(crate) order: OrderId,
    pub(crate) version: i64,
    pub(crate) state: State,
    pub(crate) reason: Option<CancelReason>,
    pub(crate) actor: Actor,
    pub(crate) note: String,
}

/// Locks these orders, in the order of their ids.
pub(crate) async fn lock(
    tx: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = OrderId>,
) -> Result<Vec<Locked>, DbErr> {
    let ids: Vec<Uuid> = ids.into_iter().map(OrderId::uuid).collect();
    let lock = format!(
        "SELECT id, user_id, reservation_id, version,
                extract(epoch FROM clock_timestamp() - created_at)::float8 AS age, {STANDING}
         FROM orders
         WHERE id = ANY($1) ORDER BY id FOR UPDATE"
    );
    let rows = LockedRow::find_by_statement(sql(&lock, [ids.into()])).all(tx).await?;
    rows.into_iter().map(Locked::try_from).collect()
}

/// Time is told by the clock, not by the transaction's start, which may lie before an earlier change that it waited for.
const WRITE: &str = "
WITH changed AS (
    UPDATE orders
    SET state = now.state, cancel_reason = NULLIF(now.cancel_reason, ''), payment_state = now.payment_state,
        payment_failure_reason = NULLIF(now.failure, ''), stock_state = now.stock_state, refunded = now.refunded,
        version = now.version, updated_at = clock_timestamp()
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[])
         AS now (id, state, cancel_reason, payment_state, failure, stock_state, refunded, version)
    WHERE orders.id = now.id
)
INSERT INTO order_history (order_id, version, state, cancel_reason, actor, note, at)
SELECT order_id, version, state, NULLIF(cancel_reason, ''), actor, note, clock_timestamp()
FROM unnest($9::uuid[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[])
     AS step (order_id, version, state, cancel_reason, actor, note)";

/// Writes where locked orders stand now, and the steps that brought them there.
pub(crate) async fn write(
    tx: &impl ConnectionTrait,
    orders: &[Locked],
    steps: &[NewStep],
) -> Result<(), DbErr> {
    if orders.is_empty() {
        return Ok(());
    }
    let name = |reason: Option<CancelReason>| reason.map_or("", CancelReason::name).to_owned();
    let now = |value: &dyn Fn(&Standing) -> String| {
        orders.iter().map(|order| value(&order.standing)).collect::<Vec<_>>()
    };
    let step = |value: &dyn Fn(&NewStep) -> String| steps.iter().map(value).collect::<Vec<_>>();
    let values = [
        orders.iter().map(|order| order.id.uuid()).collect::<Vec<_>>().into(),
        now(&|standing| standing.state.name().to_owned()).into(),
        now(&|standing| name(standing.reason)).into(),
        now(&|standing| standing.payment.name().to_owned()).into(),
        now(&|standing| standing.failure.map_or("", FailureReason::name).to_owned()).into(),
        now(&|standing| standing.stock.name().to_owned()).into(),
        orders.iter().map(|order| order.standing.refunded).collect::<Vec<_>>().into(),
        orders.iter().map(|order| order.version).collect::<Vec<_>>().into(),
        steps.iter().map(|step| step.order.uuid()).collect::<Vec<_>>().into(),
        steps.iter().map(|step| step.version).collect::<Vec<_>>().into(),
        step(&|step| step.state.name().to_owned()).into(),
        step(&|step| name(step.reason)).into(),
        step(&|step| step.actor.name().to_owned()).into(),
        step(&|step| step.note.clone()).into(),
    ];
    tx.execute_raw(sql(WRITE, values)).await?;
    Ok(())
}
