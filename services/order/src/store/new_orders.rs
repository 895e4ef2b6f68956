//! Storing new orders, many at once.

use chrono::{DateTime, Utc};
use events::EventId;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use uuid::Uuid;
use values::OrderId;

use super::{
    rows::{address_json, lines_json},
    sql,
};
use crate::domain::{self, NewOrder};

/// Inserts the rows and the first step of each, in the order of (customer, request). Waits only for transactions that
/// insert the same request.
const INSERT: &str = "
WITH placed AS (
    INSERT INTO orders (
        id, user_id, request_id, request_fingerprint, reservation_id, currency, total, lines, payment_method,
        card_id, customer_name, shipping_address, shop_ids, placed_event, state, payment_state, stock_state
    )
    SELECT id, user_id, request_id, request_fingerprint, reservation_id, currency, total, lines::jsonb,
           payment_method, NULLIF(card_id, '')::uuid, customer_name, shipping_address::jsonb, shop_ids::uuid[],
           placed_event, 'PENDING', 'PENDING', 'RESERVED'
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::uuid[], $6::text[], $7::bigint[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::uuid[]
    ) AS new (
        id, user_id, request_id, request_fingerprint, reservation_id, currency, total, lines, payment_method,
        card_id, customer_name, shipping_address, shop_ids, placed_event
    )
    ORDER BY user_id, request_id
    ON CONFLICT (user_id, request_id) DO NOTHING
    RETURNING id, state, version, created_at
)
INSERT INTO order_history (order_id, version, state, actor, at)
SELECT id, version, state, 'CUSTOMER', created_at FROM placed
RETURNING order_id, at";

#[derive(FromQueryResult)]
struct PlacedRow {
    order_id: Uuid,
    at: DateTime<Utc>,
}

/// Stores those orders whose request has made none yet, and tells which and when. No request may be given twice.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    orders: &[(&NewOrder, EventId)],
) -> Result<Vec<(OrderId, DateTime<Utc>)>, DbErr> {
    let lines: Vec<String> =
        orders.iter().map(|(order, _)| lines_json(&order.lines)).collect::<Result<_, _>>()?;
    let addresses: Vec<String> =
        orders.iter().map(|(order, _)| address_json(&order.shipping_address)).collect::<Result<_, _>>()?;
    let values = [
        column(orders, |order| order.id.uuid()),
        column(orders, |order| order.user.uuid()),
        column(orders, |order| order.request_id.to_string()),
        column(orders, |order| order.fingerprint.as_bytes().to_vec()),
        column(orders, |order| order.reservation.uuid()),
        column(orders, |order| order.total.currency().code().to_owned()),
        column(orders, |order| order.total.minor_units()),
        lines.into(),
        column(orders, |order| order.payment_method.name().to_owned()),
        column(orders, |order| {
            order.payment_method.card().map(|card| card.uuid().to_string()).unwrap_or_default()
        }),
        column(orders, |order| order.customer_name.clone()),
        addresses.into(),
        column(orders, |order| {
            let shops = domain::shops(&order.lines).into_iter();
            // The text of an array.
            format!("{{{}}}", shops.map(|shop| shop.uuid().to_string()).collect::<Vec<_>>().join(","))
        }),
        orders.iter().map(|(_, event)| event.uuid()).collect::<Vec<_>>().into(),
    ];
    let placed = PlacedRow::find_by_statement(sql(INSERT, values)).all(tx).await?;
    Ok(placed.into_iter().map(|row| (OrderId::from_uuid(row.order_id), row.at)).collect())
}

fn column<T>(orders: &[(&NewOrder, EventId)], value: fn(&NewOrder) -> T) -> Value
where
    Vec<T>: Into<Value>,
{
    orders.iter().map(|(order, _)| value(order)).collect::<Vec<_>>().into()
}
