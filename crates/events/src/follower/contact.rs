use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::metrics;

/// When the broker last showed that a stream is being followed. Seen as a metric for as long as this lives.
pub(super) struct Contact(Arc<Mutex<Instant>>);

impl Contact {
    pub(super) fn new(stream: &'static str) -> Self {
        let last = Arc::new(Mutex::new(Instant::now()));
        let seen = Arc::downgrade(&last);
        telemetry::meter()
            .f64_observable_gauge("bookstore.follower.silence")
            .with_unit("s")
            .with_description("Since when the broker has shown no sign that a stream is being followed")
            .with_callback(move |gauge| {
                if let Some(last) = seen.upgrade() {
                    let last = *last.lock().unwrap_or_else(PoisonError::into_inner);
                    gauge.observe(last.elapsed().as_secs_f64(), &metrics::stream(stream));
                }
            })
            .build();
        Self(last)
    }

    pub(super) fn made(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}
