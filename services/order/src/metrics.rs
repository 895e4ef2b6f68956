//! What operators see of orders.

use std::sync::LazyLock;

use opentelemetry::metrics::Gauge;

pub(crate) struct Metrics {
    /// Orders that are paid and whose stock isn't theirs yet. More than a few for a while: an alarm.
    pub(crate) uncommitted: Gauge<u64>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = telemetry::meter();
    Metrics { uncommitted: meter.u64_gauge("bookstore.order.uncommitted").with_unit("{order}").build() }
});
