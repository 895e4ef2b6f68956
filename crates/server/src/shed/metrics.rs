use std::sync::{Arc, LazyLock};

use opentelemetry::{KeyValue, metrics::Counter};
use tokio::sync::Semaphore;

pub(super) struct Metrics {
    /// Calls that were refused because there were too many.
    pub(super) shed: Counter<u64>,
}

pub(super) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    shed: telemetry::meter().u64_counter("bookstore.server.calls.shed").with_unit("{call}").build(),
});

/// How many calls and streams are under way.
pub(super) fn watch(calls: &Arc<Semaphore>, streams: &Arc<Semaphore>, at_once: usize) {
    let (calls, streams) = (Arc::downgrade(calls), Arc::downgrade(streams));
    let most = [at_once, at_once * super::STREAMS_A_CALL];
    telemetry::meter()
        .u64_observable_gauge("bookstore.server.calls.under_way")
        .with_unit("{call}")
        .with_callback(move |gauge| {
            for ((kind, semaphore), most) in [("call", &calls), ("stream", &streams)].into_iter().zip(most) {
                let Some(semaphore) = semaphore.upgrade() else { continue };
                let under_way = most.saturating_sub(semaphore.available_permits()) as u64;
                gauge.observe(under_way, &[KeyValue::new("kind", kind)]);
            }
        })
        .build();
}
