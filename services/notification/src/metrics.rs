//! What operators see of deliveries.

use std::sync::LazyLock;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge},
};
use sea_orm::DatabaseConnection;
use server::database::answered;

use crate::store::sending;

struct Metrics {
    /// Attempts to tell somebody something, by what became of them.
    attempts: Counter<u64>,
    /// What is still to be told. More and more: the mail server, or identity, is down.
    pending: Gauge<u64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = telemetry::meter();
    Metrics {
        attempts: meter.u64_counter("bookstore.notification.attempts").with_unit("{attempt}").build(),
        pending: meter.u64_gauge("bookstore.notification.pending").with_unit("{delivery}").build(),
    }
});

pub(crate) fn attempted(outcome: &'static str) {
    METRICS.attempts.add(1, &[KeyValue::new("outcome", outcome)]);
}

/// A database that is down is told of elsewhere.
pub(crate) async fn observe(db: &DatabaseConnection) {
    if let Ok(pending) = answered(sending::count_pending(db)).await {
        METRICS.pending.record(pending, &[]);
    }
}
