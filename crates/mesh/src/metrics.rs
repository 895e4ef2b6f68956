//! What the mesh decides, in numbers. Labelled by callee and by words of this crate, so there are few series.

use std::sync::LazyLock;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, UpDownCounter},
};

use crate::retry::Reason;

static ATTEMPTS: LazyLock<Counter<u64>> = LazyLock::new(|| counter("mesh.client.attempts"));
static RETRIES: LazyLock<Counter<u64>> = LazyLock::new(|| counter("mesh.client.retries"));
static EXHAUSTED: LazyLock<Counter<u64>> = LazyLock::new(|| counter("mesh.client.retry_budget_exhausted"));
static SHORT_CUTS: LazyLock<Counter<u64>> = LazyLock::new(|| counter("mesh.client.breaker.refusals"));
static OPEN: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| level("mesh.client.breakers_open"));
static KNOWN: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| level("mesh.client.endpoints"));
static UNFOUND: LazyLock<Counter<u64>> = LazyLock::new(|| counter("mesh.client.discovery.failures"));
static FAILING: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| level("mesh.client.discovery.failing"));
static CONNECTIONS: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| level("mesh.client.connections"));
static EJECTIONS: LazyLock<Counter<u64>> = LazyLock::new(|| counter("mesh.client.ejections"));
static EJECTED: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| level("mesh.client.endpoints_ejected"));

fn counter(name: &'static str) -> Counter<u64> {
    telemetry::meter().u64_counter(name).build()
}

fn level(name: &'static str) -> UpDownCounter<i64> {
    telemetry::meter().i64_up_down_counter(name).build()
}

/// One of those that a level counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    level: &'static UpDownCounter<i64>,
    metrics: Metrics,
}

impl Counted {
    fn of(level: &'static UpDownCounter<i64>, metrics: Metrics) -> Self {
        level.add(1, &[metrics.label()]);
        Self { level, metrics }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.level.add(-1, &[self.metrics.label()]);
    }
}

/// Of one callee.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metrics {
    pub(crate) callee: &'static str,
}

impl Metrics {
    pub(crate) const fn new(callee: &'static str) -> Self {
        Self { callee }
    }

    fn label(self) -> KeyValue {
        KeyValue::new("callee", self.callee)
    }

    /// Requests sent, by what became of them.
    pub(crate) fn attempt(self, outcome: &'static str) {
        ATTEMPTS.add(1, &[self.label(), KeyValue::new("outcome", outcome)]);
    }

    pub(crate) fn retry(self, reason: Reason) {
        RETRIES.add(1, &[self.label(), KeyValue::new("reason", reason.name())]);
    }

    pub(crate) fn budget_exhausted(self) {
        EXHAUSTED.add(1, &[self.label()]);
    }

    pub(crate) fn refused_by_breaker(self) {
        SHORT_CUTS.add(1, &[self.label()]);
    }

    pub(crate) fn breakers_open(self, change: i64) {
        OPEN.add(change, &[self.label()]);
    }

    /// One more endpoint that is known.
    pub(crate) fn endpoint(self) -> Counted {
        Counted::of(&KNOWN, self)
    }

    /// Looking for endpoints failed.
    pub(crate) fn discovery_failed(self, reason: &'static str) {
        UNFOUND.add(1, &[self.label(), KeyValue::new("reason", reason)]);
    }

    /// One more search that fails at the moment.
    pub(crate) fn discovery_failing(self) -> Counted {
        Counted::of(&FAILING, self)
    }

    /// One more connection that is open.
    pub(crate) fn connection(self) -> Counted {
        Counted::of(&CONNECTIONS, self)
    }

    pub(crate) fn ejected(self) {
        EJECTIONS.add(1, &[self.label()]);
    }

    pub(crate) fn endpoints_ejected(self, change: i64) {
        EJECTED.add(change, &[self.label()]);
    }
}
