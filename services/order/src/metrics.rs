//! What operators see of orders.

use std::sync::LazyLock;

use opentelemetry::{
    KeyValue,
    metrics::{Gauge, Histogram},
};
use sea_orm::{ConnectionTrait, DbErr};

use crate::store::standings;

/// Seconds; up to the time that a payment may take.
const CONFIRMATION: [f64; 14] =
    [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0];

pub(crate) struct Metrics {
    /// Orders that are paid and whose stock isn't theirs yet. More than a few for a while: an alarm.
    pub(crate) uncommitted: Gauge<u64>,
    /// From being placed to being CONFIRMED.
    pub(crate) confirmation: Histogram<f64>,
    /// Orders for which somebody has still to do something, by their state.
    orders: Gauge<u64>,
    /// For how long the oldest PENDING order has been so.
    oldest_pending: Gauge<f64>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = telemetry::meter();
    Metrics {
        uncommitted: meter.u64_gauge("bookstore.order.uncommitted").with_unit("{order}").build(),
        confirmation: meter
            .f64_histogram("bookstore.order.confirmation")
            .with_unit("s")
            .with_boundaries(CONFIRMATION.to_vec())
            .build(),
        orders: meter.u64_gauge("bookstore.order.orders").with_unit("{order}").build(),
        oldest_pending: meter.f64_gauge("bookstore.order.oldest_pending").with_unit("s").build(),
    }
});

/// Measures what stands in the database.
pub(crate) async fn measure(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    for (state, orders) in standings::under_way(db).await? {
        METRICS.orders.record(orders, &[KeyValue::new("state", state)]);
    }
    METRICS.oldest_pending.record(standings::oldest_pending(db).await?.as_secs_f64(), &[]);
    Ok(())
}
