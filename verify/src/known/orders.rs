use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;
use values::OfferId;

use super::lines::{self, Line};
use crate::books::PAGE;

/// An order with all that order's database says of it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) user: Uuid,
    pub(crate) request_id: String,
    pub(crate) state: String,
    pub(crate) payment_state: String,
    pub(crate) stock_state: String,
    pub(crate) reservation: Uuid,
    pub(crate) currency: String,
    pub(crate) total: i64,
    /// As it heard from payment.
    pub(crate) refunded: i64,
    pub(crate) claimed: i64,
    pub(crate) version: i64,
    /// Nothing has happened to it for the grace period.
    pub(crate) is_calm: bool,
    /// It has ended and still names a customer who is gone.
    pub(crate) names_who_is_gone: bool,
    pub(crate) lines: Vec<Line>,
    /// In the order of the versions.
    pub(crate) history: Vec<Step>,
    /// States, by shop.
    pub(crate) shipments: BTreeMap<Uuid, String>,
    pub(crate) returns: Vec<Return>,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) state: String,
    pub(crate) at: DateTime<Utc>,
}

#[derive(Debug)]
pub(crate) struct Return {
    pub(crate) id: Uuid,
    pub(crate) shop: Uuid,
    pub(crate) state: String,
    pub(crate) items: Vec<Item>,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) is_restocked: bool,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) offer: Uuid,
    pub(crate) quantity: i64,
}

impl Order {
    /// Whether it is CONFIRMED, or has been and was not cancelled.
    pub(crate) fn is_paid(&self) -> bool {
        !["PENDING", "CANCELLED"].contains(&self.state.as_str())
    }
}

/// The question for orders, up to which ones.
macro_rules! orders {
    ($which:literal) => {
        concat!(
            "SELECT id, user_id, request_id, ARRAY[state, payment_state, stock_state], reservation_id, currency,
                    ARRAY[total, refunded, claimed, version],
                    updated_at <= clock_timestamp() - make_interval(secs => $2),
                    customer_name <> '' AND state IN ('CANCELLED', 'DELIVERED', 'RETURNED')
                        AND EXISTS (SELECT FROM deleted_users WHERE deleted_users.user_id = orders.user_id),
                    lines
             FROM orders WHERE ",
            $which
        )
    };
}

/// In the order of the question.
type Row = (Uuid, Uuid, String, Vec<String>, Uuid, String, Vec<i64>, bool, bool, Value);

/// A page of orders beyond one, in the order of their ids.
pub(crate) async fn after(db: &mut PgConnection, after: Uuid, grace: f64) -> Result<Vec<Order>> {
    let read = orders!("id > $1 ORDER BY id LIMIT $3");
    let rows: Vec<Row> = query_as(read).bind(after).bind(grace).bind(PAGE).fetch_all(&mut *db).await?;
    complete(db, rows).await
}

/// These orders, those that are there.
pub(crate) async fn these(db: &mut PgConnection, ids: &[Uuid], grace: f64) -> Result<Vec<Order>> {
    let read = orders!("id = ANY($1) ORDER BY id");
    let rows: Vec<Row> = query_as(read).bind(ids).bind(grace).fetch_all(&mut *db).await?;
    complete(db, rows).await
}

async fn complete(db: &mut PgConnection, rows: Vec<Row>) -> Result<Vec<Order>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.0).collect();
    let mut histories = histories(db, &ids).await?;
    let mut shipments = shipments(db, &ids).await?;
    let mut returns = returns(db, &ids).await?;
    rows.into_iter()
        .map(|(id, user, request_id, states, reservation, currency, numbers, is_calm, names, stored)| {
            let [state, payment_state, stock_state] =
                <[String; 3]>::try_from(states).ok().context("three states")?;
            let [total, refunded, claimed, version] =
                <[i64; 4]>::try_from(numbers).ok().context("four numbers")?;
            Ok(Order {
                id,
                user,
                request_id,
                state,
                payment_state,
                stock_state,
                reservation,
                currency,
                total,
                refunded,
                claimed,
                version,
                is_calm,
                names_who_is_gone: names,
                lines: lines::read(stored)?,
                history: histories.remove(&id).unwrap_or_default(),
                shipments: shipments.remove(&id).unwrap_or_default(),
                returns: returns.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}

async fn histories(db: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<Step>>> {
    let rows: Vec<(Uuid, i64, String, DateTime<Utc>)> = query_as(
        "SELECT order_id, version, state, at FROM order_history WHERE order_id = ANY($1) ORDER BY order_id, version",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    let mut histories: HashMap<Uuid, Vec<Step>> = HashMap::new();
    for (order, version, state, at) in rows {
        histories.entry(order).or_default().push(Step { version, state, at });
    }
    Ok(histories)
}

async fn shipments(db: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, BTreeMap<Uuid, String>>> {
    let rows: Vec<(Uuid, Uuid, String)> =
        query_as("SELECT order_id, shop_id, state FROM shipments WHERE order_id = ANY($1)")
            .bind(ids)
            .fetch_all(db)
            .await?;
    let mut shipments: HashMap<Uuid, BTreeMap<Uuid, String>> = HashMap::new();
    for (order, shop, state) in rows {
        shipments.entry(order).or_default().insert(shop, state);
    }
    Ok(shipments)
}

#[derive(Deserialize)]
struct StoredItem {
    offer_id: OfferId,
    quantity: i64,
}

async fn returns(db: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<Return>>> {
    type Row = (Uuid, Uuid, Uuid, String, Value, i64, String, bool);
    let rows: Vec<Row> = query_as(
        "SELECT order_id, id, shop_id, state, items, amount, currency, restocked FROM returns
         WHERE order_id = ANY($1) ORDER BY order_id, id",
    )
    .bind(ids)
    .fetch_all(db)
    .await?;
    let mut returns: HashMap<Uuid, Vec<Return>> = HashMap::new();
    for (order, id, shop, state, stored, amount, currency, is_restocked) in rows {
        let items: Vec<StoredItem> = serde_json::from_value(stored).context("items that read otherwise")?;
        let items =
            items.into_iter().map(|item| Item { offer: item.offer_id.uuid(), quantity: item.quantity });
        let items = items.collect();
        let made = Return { id, shop, state, items, amount, currency, is_restocked };
        returns.entry(order).or_default().push(made);
    }
    Ok(returns)
}
