use std::sync::LazyLock;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, UpDownCounter},
};

pub(super) struct Metrics {
    /// Connections that are open.
    pub(super) open: UpDownCounter<i64>,
    /// Connections that found no room.
    pub(super) refused: Counter<u64>,
    /// Handshakes that came to nothing: no certificate, a wrong one, or none of our protocol.
    pub(super) handshakes_failed: Counter<u64>,
}

pub(super) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = telemetry::meter();
    Metrics {
        open: meter.i64_up_down_counter("bookstore.server.connections").with_unit("{connection}").build(),
        refused: meter.u64_counter("bookstore.server.connections.refused").with_unit("{connection}").build(),
        handshakes_failed: meter
            .u64_counter("bookstore.server.handshakes.failed")
            .with_unit("{handshake}")
            .build(),
    }
});

pub(super) fn port(name: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("port", name)]
}
