//! Which spans are made at all: only those of traces that are recorded, so that the others cost next to nothing.

use opentelemetry::{Context, trace::TraceContextExt as _};
use tracing::{Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::Targets,
    layer::{self, Filter},
};

use crate::{ENTRY, SPANS, spans_filter};

/// The module of the spans that `SeaORM` makes of its statements.
const STATEMENTS: &str = "sea_orm";

/// Lets spans pass that belong to a trace which is recorded, or may begin or continue one.
///
/// For all layers, and outermost: a span that only every filter of a layer's own refuses is made nevertheless, and is the
/// current one although it has no place in any trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recorded {
    /// The most detailed level that any other layer takes.
    most: LevelFilter,
}

impl Recorded {
    /// Over layers of spans, and of lines that pass `logs`.
    pub(crate) fn over(logs: Option<&EnvFilter>) -> Self {
        let logs = logs.map_or(LevelFilter::OFF, |logs| logs.max_level_hint().unwrap_or(LevelFilter::TRACE));
        Self { most: logs.max(SPANS) }
    }
}

impl<S: Subscriber> Layer<S> for Recorded {
    fn enabled(&self, about: &Metadata<'_>, _: layer::Context<'_, S>) -> bool {
        !about.is_span()
            || about.target() == ENTRY
            || Context::map_current(|current| {
                let span = current.span();
                let span = span.span_context();
                // What sweepers and relays ask the database all day long belongs to nobody's request.
                span.is_sampled() || (!span.is_valid() && !about.target().starts_with(STATEMENTS))
            })
    }

    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        if about.is_span() && about.target() != ENTRY { Interest::sometimes() } else { Interest::always() }
    }

    /// Without one nothing is known to be in vain, and every library's tale of every frame is judged as it comes: a
    /// quarter of what the gateway did.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }
}

/// Lets pass to the traces: every span that is made, and what is logged in those that are recorded.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    targets: Targets,
}

impl Told {
    pub(crate) fn new() -> Self {
        Self { targets: spans_filter() }
    }

    fn is_ours(&self, about: &Metadata<'_>) -> bool {
        self.targets.would_enable(about.target(), about.level())
    }
}

impl<S> Filter<S> for Told {
    fn enabled(&self, about: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        let is_recorded = || Context::map_current(|current| current.span().span_context().is_sampled());
        self.is_ours(about) && (about.is_span() || is_recorded())
    }

    fn callsite_enabled(&self, about: &'static Metadata<'static>) -> Interest {
        match (self.is_ours(about), about.is_span()) {
            (false, _) => Interest::never(),
            (true, true) => Interest::always(),
            (true, false) => Interest::sometimes(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.targets)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tracing::Span;
    use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

    use super::*;
    use crate::{propagation, sampling::Sampler};

    const RECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const NOT_RECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    /// The names of the spans that `doing` makes, in the order of their ends.
    fn spans(doing: impl FnOnce()) -> Vec<String> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::limited(crate::Sampling { new: 1_000, asked_for: None }))
            .with_simple_exporter(exporter.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let layer = layer.with_filter(Told::new());
        // While there is one subscriber only, tracing asks other tests' threads whether anybody listens.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(layer).with(Recorded::over(None)),
            doing,
        );
        exporter.get_finished_spans().unwrap().into_iter().map(|span| span.name.into_owned()).collect()
    }

    fn request(traceparent: &str) -> Span {
        let span = tracing::info_span!(target: ENTRY, "request");
        propagation::follow(&span, Some(traceparent));
        span
    }

    fn statement() -> Span {
        tracing::info_span!(target: "sea_orm::driver::sqlx_postgres", "statement")
    }

    #[test]
    fn what_belongs_to_a_recorded_request_is_recorded() {
        let doing =
            || request(RECORDED).in_scope(|| tracing::info_span!("step").in_scope(|| drop(statement())));
        assert_eq!(spans(doing), ["statement", "step", "request"]);
    }

    #[test]
    fn what_belongs_to_another_is_not_even_made_but_goes_on_in_its_trace() {
        let doing = || {
            request(NOT_RECORDED).in_scope(|| {
                assert!(tracing::info_span!("step").is_disabled() && statement().is_disabled());
                let onward = propagation::traceparent().unwrap();
                assert_eq!((&onward[..36], &onward[53..]), (&NOT_RECORDED[..36], "00"));
            });
        };
        assert!(spans(doing).is_empty());
    }

    #[test]
    fn work_that_brings_its_own_request_is_recorded_wherever_it_is_done() {
        let doing = || request(NOT_RECORDED).in_scope(|| drop(request(RECORDED).entered()));
        assert_eq!(spans(doing), ["request"]);
    }

    #[test]
    fn what_nobody_asked_for_may_begin_a_trace_but_a_statement_does_not() {
        let doing = || {
            drop(tracing::info_span!("call").entered());
            assert!(statement().is_disabled());
        };
        assert_eq!(spans(doing), ["call"]);
    }

    #[test]
    fn what_is_done_for_several_stands_in_the_first_recorded_trace_and_each_way_leads_to_the_other() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::limited(crate::Sampling { new: 1_000, asked_for: None }))
            .with_simple_exporter(exporter.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let of = |number: u8, flags| {
                let span =
                    tracing::info_span!(target: ENTRY, "member", otel.name = format!("member {number}"));
                propagation::follow(&span, Some(&format!("00-{number:032x}-00f067aa0ba902b7-{flags}")));
                span
            };
            let members = [of(1, "00"), of(2, "01"), of(3, "00"), of(4, "01")];
            let together = tracing::info_span!(target: ENTRY, "together");
            propagation::join(&together, &members);
        });
        let spans = exporter.get_finished_spans().unwrap();
        let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (together, first, other) = (named("together"), named("member 2"), named("member 4"));
        assert_eq!(together.parent_span_id, first.span_context.span_id());
        let links = |of: &opentelemetry_sdk::trace::SpanData| {
            of.links.iter().map(|link| link.span_context.span_id()).collect::<Vec<_>>()
        };
        assert_eq!(links(together), [other.span_context.span_id()]);
        assert_eq!(links(other), [together.span_context.span_id()]);
        assert!(links(first).is_empty() && spans.len() == 3, "{spans:?}");
    }
}
