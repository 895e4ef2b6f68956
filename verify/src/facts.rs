use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use sqlx::query_as;
use uuid::Uuid;
use values::OfferId;

use crate::{Books, Service};

/// What the services know of orders, each from its own database.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) orders: HashMap<Uuid, Order>,
    pub(crate) reservations: HashMap<Uuid, Reservation>,
    pub(crate) payments: HashMap<Uuid, Payment>,
}

#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) state: String,
    pub(crate) payment_state: String,
    pub(crate) stock_state: String,
    pub(crate) reservation: Uuid,
    pub(crate) currency: String,
    pub(crate) total: i64,
    /// As it heard from payment.
    pub(crate) refunded: i64,
    /// Sorted.
    pub(crate) lines: Vec<Line>,
    /// Versions and states, the first step first.
    pub(crate) history: Vec<(i64, String)>,
}

#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) state: String,
    /// Its time is up, by its own database's clock and with time for the sweeper.
    pub(crate) is_overdue: bool,
    /// Sorted.
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Default)]
pub(crate) struct Payment {
    /// Empty where the payment has no row.
    pub(crate) state: String,
    pub(crate) noted_refunds: i64,
    /// Amounts and currencies of transfers.
    pub(crate) captures: Vec<(i64, String)>,
    pub(crate) refunds: Vec<(i64, String)>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) offer: Uuid,
    pub(crate) quantity: i64,
    pub(crate) unit_price: i64,
}

/// As both services keep a line, but for how they write ids.
#[derive(Deserialize)]
struct StoredLine {
    offer_id: String,
    quantity: i64,
    unit_price_minor_units: i64,
}

/// In the order of the question.
type OrderRow = (Uuid, String, String, String, Uuid, String, i64, i64, Value);

impl Facts {
    pub(crate) async fn read(books: &mut Books) -> Result<Self> {
        Ok(Self {
            orders: orders(books).await?,
            reservations: reservations(books).await?,
            payments: payments(books).await?,
        })
    }
}

async fn orders(books: &mut Books) -> Result<HashMap<Uuid, Order>> {
    let db = books.of(Service::Order)?;
    let rows: Vec<OrderRow> = query_as(
        "SELECT id, state, payment_state, stock_state, reservation_id, currency, total, refunded, lines
         FROM orders",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut orders = HashMap::new();
    for (id, state, payment_state, stock_state, reservation, currency, total, refunded, stored) in rows {
        let (lines, history) = (lines(stored)?, Vec::new());
        let order = Order {
            state,
            payment_state,
            stock_state,
            reservation,
            currency,
            total,
            refunded,
            lines,
            history,
        };
        orders.insert(id, order);
    }
    let steps: Vec<(Uuid, i64, String)> =
        query_as("SELECT order_id, version, state FROM order_history ORDER BY order_id, version")
            .fetch_all(db)
            .await?;
    for (id, version, state) in steps {
        // Orders placed between the two questions.
        if let Some(order) = orders.get_mut(&id) {
            order.history.push((version, state));
        }
    }
    Ok(orders)
}

async fn reservations(books: &mut Books) -> Result<HashMap<Uuid, Reservation>> {
    let rows: Vec<(Uuid, String, bool, Value)> =
        query_as("SELECT id, state, expires_at < now() - interval '5 seconds', lines FROM reservations")
            .fetch_all(books.of(Service::Inventory)?)
            .await?;
    rows.into_iter()
        .map(|(id, state, is_overdue, stored)| {
            Ok((id, Reservation { state, is_overdue, lines: lines(stored)? }))
        })
        .collect()
}

async fn payments(books: &mut Books) -> Result<HashMap<Uuid, Payment>> {
    let db = books.of(Service::Payment)?;
    let mut payments: HashMap<Uuid, Payment> = HashMap::new();
    let rows: Vec<(Uuid, String, i64)> =
        query_as("SELECT order_id, state, refunded FROM payments").fetch_all(&mut *db).await?;
    for (order, state, noted_refunds) in rows {
        payments.insert(order, Payment { state, noted_refunds, ..Default::default() });
    }
    let transfers: Vec<(Uuid, String, i64, String)> =
        query_as("SELECT order_id, kind, amount, currency FROM transfers WHERE order_id IS NOT NULL")
            .fetch_all(db)
            .await?;
    for (order, kind, amount, currency) in transfers {
        let payment = payments.entry(order).or_default();
        let side = if kind == "CAPTURE" { &mut payment.captures } else { &mut payment.refunds };
        side.push((amount, currency));
    }
    Ok(payments)
}

fn lines(stored: Value) -> Result<Vec<Line>> {
    let stored: Vec<StoredLine> = serde_json::from_value(stored).context("lines that read otherwise")?;
    let mut lines = stored
        .into_iter()
        .map(|line| {
            let typed = line.offer_id.parse::<OfferId>().map(OfferId::uuid);
            let offer = typed.or_else(|_| line.offer_id.parse::<Uuid>())?;
            Ok(Line { offer, quantity: line.quantity, unit_price: line.unit_price_minor_units })
        })
        .collect::<Result<Vec<_>>>()?;
    lines.sort();
    Ok(lines)
}
