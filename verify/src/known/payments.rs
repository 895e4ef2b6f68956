use std::collections::HashMap;

use anyhow::Result;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

/// What payment says of an order.
#[derive(Debug)]
pub(crate) struct Payment {
    pub(crate) state: String,
    pub(crate) user: Uuid,
    pub(crate) currency: Option<String>,
    /// Zero for an order that was cancelled before payment heard of it.
    pub(crate) amount: i64,
    pub(crate) refunded: i64,
    /// Decided, and on its way.
    pub(crate) refund_due: i64,
    pub(crate) is_calm: bool,
    /// What was decided to be given back for returns, by return.
    pub(crate) for_returns: HashMap<Uuid, i64>,
}

/// The payments of these orders, in one moment.
pub(crate) async fn of(db: &mut PgConnection, orders: &[Uuid], grace: f64) -> Result<HashMap<Uuid, Payment>> {
    type Row = (Uuid, String, Uuid, Option<String>, i64, i64, i64, bool);
    let rows: Vec<Row> = query_as(
        "SELECT order_id, state, user_id, currency, coalesce(amount, 0), refunded, refund_due,
                updated_at <= clock_timestamp() - make_interval(secs => $2)
         FROM payments WHERE order_id = ANY($1)",
    )
    .bind(orders)
    .bind(grace)
    .fetch_all(&mut *db)
    .await?;
    let payments =
        rows.into_iter().map(|(order, state, user, currency, amount, refunded, refund_due, is_calm)| {
            let for_returns = HashMap::new();
            (order, Payment { state, user, currency, amount, refunded, refund_due, is_calm, for_returns })
        });
    let mut payments: HashMap<Uuid, Payment> = payments.collect();
    let rows: Vec<(Uuid, Uuid, i64)> = query_as(
        "SELECT order_id, cause_id, refunds.amount FROM payments JOIN refunds ON payment_id = payments.id
         WHERE order_id = ANY($1) AND cause = 'RETURNED'",
    )
    .bind(orders)
    .fetch_all(db)
    .await?;
    for (order, cause, amount) in rows {
        if let Some(payment) = payments.get_mut(&order) {
            payment.for_returns.insert(cause, amount);
        }
    }
    Ok(payments)
}
