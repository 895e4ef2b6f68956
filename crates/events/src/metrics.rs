//! What operators see of events: how far behind they are, how many were handled, what needs a person.

use std::sync::LazyLock;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge},
};

pub(crate) struct Metrics {
    /// Rows of the outbox that the broker doesn't have.
    pub(crate) unpublished: Gauge<u64>,
    /// Age of the oldest of them, in seconds.
    pub(crate) oldest: Gauge<f64>,
    /// Events that were published, by stream.
    pub(crate) published: Counter<u64>,
    /// Events that the stream lost and that were published again.
    pub(crate) lost: Counter<u64>,
    /// Events that the broker refuses for good: an alarm.
    pub(crate) refused: Counter<u64>,
    /// Messages that a consumer has yet to handle.
    pub(crate) behind: Gauge<u64>,
    /// Messages by consumer and by what became of them.
    pub(crate) handled: Counter<u64>,
    /// Messages that were given up.
    pub(crate) dead_letters: Counter<u64>,
    /// Those of them that nobody has decided about.
    pub(crate) waiting: Gauge<u64>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = telemetry::meter();
    Metrics {
        unpublished: meter.u64_gauge("bookstore.outbox.unpublished").with_unit("{event}").build(),
        oldest: meter.f64_gauge("bookstore.outbox.oldest").with_unit("s").build(),
        published: meter.u64_counter("bookstore.outbox.published").with_unit("{event}").build(),
        lost: meter.u64_counter("bookstore.outbox.lost").with_unit("{event}").build(),
        refused: meter.u64_counter("bookstore.outbox.refused").with_unit("{event}").build(),
        behind: meter.u64_gauge("bookstore.consumer.behind").with_unit("{message}").build(),
        handled: meter.u64_counter("bookstore.consumer.handled").with_unit("{message}").build(),
        waiting: meter.u64_gauge("bookstore.dead_letters.waiting").with_unit("{message}").build(),
        dead_letters: meter.u64_counter("bookstore.consumer.dead_letters").with_unit("{message}").build(),
    }
});

pub(crate) fn stream(name: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("stream", name)]
}

pub(crate) fn consumer(durable: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("consumer", durable)]
}

pub(crate) fn outcome(durable: &'static str, outcome: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("consumer", durable), KeyValue::new("outcome", outcome)]
}
