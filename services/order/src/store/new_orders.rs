//! Storing new orders, many at once.

use chrono::{DateTime, Utc};
use events::{
    EventId,
    outbox::{self, Outgoing},
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};
use server::database::refused_by;
use uuid::Uuid;
use values::OrderId;

use super::{
    rows::{address_json, lines_json},
    sql,
};
use crate::domain::{self, NewOrder};

/// How many values a statement has for [`rows`].
const COLUMNS: usize = 14;

/// Inserts the rows and the first step of each, in the order of (customer, request), and does what else is to be done in
/// `also`. Waits only for transactions that insert the same request.
fn insertion(on_conflict: &str, also: &str) -> String {
    format!(
        "
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
    {on_conflict}
    RETURNING id, state, version, created_at
){also}
INSERT INTO order_history (order_id, version, state, actor, at)
SELECT id, version, state, 'CUSTOMER', created_at FROM placed
RETURNING order_id, at"
    )
}

#[derive(FromQueryResult)]
struct PlacedRow {
    order_id: Uuid,
    at: DateTime<Utc>,
}

/// Orders that were stored, and when.
pub(crate) type Stored = Vec<(OrderId, DateTime<Utc>)>;

/// Stores those orders whose request has made none yet, and tells which and when. No request may be given twice.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    orders: &[(&NewOrder, EventId)],
) -> Result<Stored, DbErr> {
    let insertion = insertion("ON CONFLICT (user_id, request_id) DO NOTHING", "");
    read(tx, sql(&insertion, rows(orders)?)).await
}

/// Stores all the orders and their events in one statement, a transaction of its own. No request may be given twice.
///
/// `None`: one of the requests has made an order, or events don't go with statements; nothing is stored.
pub(crate) async fn insert_with_events(
    db: &impl ConnectionTrait,
    orders: &[(&NewOrder, EventId)],
    events: &[Outgoing],
) -> Result<Option<Stored>, DbErr> {
    let Some((told, event_values)) = outbox::part_of_statement(events, COLUMNS + 1) else { return Ok(None) };
    let values = rows(orders)?.into_iter().chain(event_values);
    let insertion = insertion("", &format!(", told AS ({told})"));
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, insertion, values);
    match fault::around("order.place.commit", read(db, statement)).await {
        Err(error) if refused_by(&error) == Some("orders_user_id_request_id_key") => Ok(None),
        stored => stored.map(Some),
    }
}

async fn read(db: &impl ConnectionTrait, insertion: Statement) -> Result<Stored, DbErr> {
    let placed = PlacedRow::find_by_statement(insertion).all(db).await?;
    Ok(placed.into_iter().map(|row| (OrderId::from_uuid(row.order_id), row.at)).collect())
}

fn rows(orders: &[(&NewOrder, EventId)]) -> Result<[Value; COLUMNS], DbErr> {
    let lines: Vec<String> =
        orders.iter().map(|(order, _)| lines_json(&order.lines)).collect::<Result<_, _>>()?;
    let addresses: Vec<String> =
        orders.iter().map(|(order, _)| address_json(&order.shipping_address)).collect::<Result<_, _>>()?;
    Ok([
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
    ])
}

fn column<T>(orders: &[(&NewOrder, EventId)], value: fn(&NewOrder) -> T) -> Value
where
    Vec<T>: Into<Value>,
{
    orders.iter().map(|(order, _)| value(order)).collect::<Vec<_>>().into()
}
