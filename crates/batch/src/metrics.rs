//! How large batches are, how long they take, how many wait.

use std::time::Duration;

use opentelemetry::{
    KeyValue, global,
    metrics::{Histogram, UpDownCounter},
};

#[derive(Clone)]
pub(crate) struct Metrics {
    size: Histogram<u64>,
    duration: Histogram<f64>,
    queue: UpDownCounter<i64>,
    name: [KeyValue; 1],
}

impl Metrics {
    pub(crate) fn of(name: &'static str) -> Self {
        let meter = global::meter("batch");
        Self {
            size: meter
                .u64_histogram("bookstore.batch.size")
                .with_description("Items in a transaction.")
                .with_boundaries(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0])
                .build(),
            duration: meter
                .f64_histogram("bookstore.batch.duration")
                .with_description("How long a transaction took.")
                .with_unit("s")
                .with_boundaries(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5])
                .build(),
            queue: meter
                .i64_up_down_counter("bookstore.batch.queue")
                .with_description("Items waiting for a transaction.")
                .build(),
            name: [KeyValue::new("batch.name", name)],
        }
    }

    pub(crate) fn queued(&self) {
        self.queue.add(1, &self.name);
    }

    pub(crate) fn taken(&self) {
        self.queue.add(-1, &self.name);
    }

    pub(crate) fn ran(&self, items: usize, duration: Duration) {
        self.size.record(items as u64, &self.name);
        self.duration.record(duration.as_secs_f64(), &self.name);
    }
}
