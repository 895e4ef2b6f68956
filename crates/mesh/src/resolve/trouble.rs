//! That looking for replicas fails: counted each time, and told once.

use crate::metrics::{Counted, Metrics};

/// Of one search.
pub(super) struct Trouble {
    metrics: Metrics,
    failing: Option<Counted>,
}

impl Trouble {
    pub(super) const fn new(metrics: Metrics) -> Self {
        Self { metrics, failing: None }
    }

    /// Whether it is news.
    pub(super) fn begun(&mut self, reason: &'static str) -> bool {
        self.metrics.discovery_failed(reason);
        let is_news = self.failing.is_none();
        self.failing.get_or_insert_with(|| self.metrics.discovery_failing());
        is_news
    }

    /// Whether it is news.
    pub(super) fn over(&mut self) -> bool {
        self.failing.take().is_some()
    }
}
