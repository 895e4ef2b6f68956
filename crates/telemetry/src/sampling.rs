//! Which traces are recorded.
//!
//! Whoever begins a trace decides, and all others follow: a trace is there whole or not at all. So many new ones a second
//! are recorded, since every one costs the shop and whoever keeps them; what clients ask to have recorded counts apart,
//! so that neither keeps the other out. Traces that aren't recorded have ids all the same, which go with calls and events
//! and stand in the logs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use opentelemetry::{
    Context, KeyValue,
    metrics::Meter,
    trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// This project's member of `tracestate`.
const MEMBER: &str = "bookstore";
/// What it says of a parent that is sent nowhere: whoever comes next is the first of the trace that can be seen.
const UNSEEN: &str = "unseen";
/// Marks the span below an unseen parent on its way to the exporter.
pub(crate) const ROOT: &str = "bookstore.root";

const SECOND: u64 = 1_000_000_000;

/// Whether it is known that this process sends spans nowhere.
static SENDS_NOWHERE: AtomicBool = AtomicBool::new(false);

/// How many traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Of those that begin in this process, so many a second.
    pub new: u32,
    /// Of those that its callers ask for, by the flag `sampled` of `traceparent`, so many a second; `None` where callers
    /// are processes of the shop, which have decided.
    pub asked_for: Option<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { new: 100, asked_for: None }
    }
}

/// Decides about spans without a parent, and at the shop's edge about those whose parent is somebody else's.
#[derive(Clone, Debug)]
pub(crate) enum Sampler {
    /// There is nowhere to send spans to.
    Nothing,
    Limited {
        new: Arc<Bucket>,
        asked_for: Option<Arc<Bucket>>,
    },
    /// A client's, which records all that it does, for itself or to ask the shop for it.
    Everything {
        is_seen: bool,
    },
}

impl Sampler {
    pub(crate) fn limited(sampling: Sampling) -> Self {
        Self::Limited {
            new: Arc::new(Bucket::new(sampling.new)),
            asked_for: sampling.asked_for.map(|rate| Arc::new(Bucket::new(rate))),
        }
    }

    /// Tells `meter` of every decision about a trace.
    pub(crate) fn count(&self, meter: &Meter) {
        let Self::Limited { new, asked_for } = self else { return };
        let buckets: Vec<_> = [Some((new, false)), asked_for.as_ref().map(|bucket| (bucket, true))]
            .into_iter()
            .flatten()
            .map(|(bucket, asked)| (Arc::clone(bucket), asked))
            .collect();
        // An observable instrument lives as long as its meter.
        let _ = meter
            .u64_observable_counter("bookstore.traces")
            .with_description("Traces that this process decided about: recorded, or over the limit.")
            .with_unit("{trace}")
            .with_callback(move |observer| {
                for (bucket, asked) in &buckets {
                    for (decision, count) in [("recorded", &bucket.taken), ("over_limit", &bucket.refused)] {
                        let about = [KeyValue::new("decision", decision), KeyValue::new("asked_for", *asked)];
                        observer.observe(count.load(Relaxed), &about);
                    }
                }
            })
            .build();
    }
}

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|parent| parent.span().span_context().clone());
        let parent = parent.filter(opentelemetry::trace::SpanContext::is_valid);
        let state = parent.as_ref().map(|parent| parent.trace_state().clone()).unwrap_or_default();
        let (is_recorded, state, is_root) = match (self, &parent) {
            (Self::Nothing, _) => (false, state, false),
            (Self::Everything { is_seen: true }, _) => (true, state, false),
            (Self::Everything { is_seen: false }, _) => {
                (true, state.insert(MEMBER, UNSEEN).unwrap_or_default(), false)
            }
            (Self::Limited { asked_for: Some(asked_for), .. }, Some(parent)) if parent.is_remote() => {
                let is_root = state.get(MEMBER) == Some(UNSEEN);
                let state = state.delete(MEMBER).unwrap_or_default();
                (parent.is_sampled() && asked_for.take(), state, is_root)
            }
            (Self::Limited { .. }, Some(parent)) => (parent.is_sampled(), state, false),
            (Self::Limited { new, .. }, None) => (new.take(), TraceState::NONE, false),
        };
        SamplingResult {
            decision: if is_recorded { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: if is_root { vec![KeyValue::new(ROOT, true)] } else { Vec::new() },
            trace_state: state,
        }
    }
}

/// So many a second, and after a pause one second's worth at once.
#[derive(Debug)]
pub(crate) struct Bucket {
    began: Instant,
    /// Between two, in nanoseconds.
    interval: Option<u64>,
    /// When there is the next one, in nanoseconds from a second before `began`.
    next: AtomicU64,
    taken: AtomicU64,
    refused: AtomicU64,
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        Self {
            began: Instant::now(),
            interval: SECOND.checked_div(u64::from(per_second)),
            next: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn take(&self) -> bool {
        self.take_at(self.began.elapsed())
    }

    fn take_at(&self, elapsed: Duration) -> bool {
        // 580 years.
        let now = SECOND + u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX - SECOND);
        let is_there = self.interval.is_some_and(|interval| {
            let advance = |next: u64| {
                let next = next.max(now - (SECOND - interval));
                (next <= now).then_some(next + interval)
            };
            self.next.fetch_update(Relaxed, Relaxed, advance).is_ok()
        });
        (if is_there { &self.taken } else { &self.refused }).fetch_add(1, Relaxed);
        is_there
    }
}

/// Remembers that whatever is begun in this process is recorded nowhere.
pub(crate) fn sends_nowhere() {
    SENDS_NOWHERE.store(true, Relaxed);
}

/// Whether whatever is begun in this process is recorded nowhere.
pub(crate) fn is_sent_nowhere() -> bool {
    SENDS_NOWHERE.load(Relaxed)
}

/// Whether what has this parent may be recorded: not, if it is known already that its trace isn't.
pub(crate) fn may_be_recorded(parent: &Context) -> bool {
    let parent = parent.span();
    !is_sent_nowhere() && (parent.span_context().is_sampled() || !parent.span_context().is_valid())
}

#[cfg(test)]
mod tests;
