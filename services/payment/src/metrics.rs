//! What operators see of payments.

use std::sync::LazyLock;

use opentelemetry::metrics::Gauge;
use sea_orm::{ConnectionTrait, DbErr};

use crate::store::errands;

struct Metrics {
    /// Questions that the card gateway has not answered. More and more: it is down.
    waiting: Gauge<u64>,
    /// For how long the oldest of them has waited.
    oldest: Gauge<f64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = telemetry::meter();
    Metrics {
        waiting: meter.u64_gauge("bookstore.payment.errands").with_unit("{errand}").build(),
        oldest: meter.f64_gauge("bookstore.payment.errands.oldest").with_unit("s").build(),
    }
});

/// Measures what stands in the database.
pub(crate) async fn measure(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let (waiting, oldest) = errands::waiting(db).await?;
    METRICS.waiting.record(waiting, &[]);
    METRICS.oldest.record(oldest.as_secs_f64(), &[]);
    Ok(())
}
