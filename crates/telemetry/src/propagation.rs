//! W3C trace context, in and out of headers.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header, in gRPC metadata, HTTP and NATS alike.
pub const TRACEPARENT: &str = "traceparent";

/// Writes the context of the current span into headers that go out.
pub fn inject_current(headers: &mut HeaderMap) {
    inject(&Span::current(), headers);
}

/// Writes the context of a span into headers that go out.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&span.context(), &mut Outgoing(headers));
}

/// Makes a span the child of the one that the headers name, if they name one. Before the span is first entered.
pub fn set_parent(span: &Span, headers: &HeaderMap) {
    adopt(span, TraceContextPropagator::new().extract(&Incoming(headers)));
}

/// The context of the current span, to be kept where headers don't reach: in a row of the outbox.
#[must_use]
pub fn traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// The context of a span.
#[must_use]
pub fn traceparent_of(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes a span the child of a kept context. Before the span is first entered; a malformed context changes nothing.
pub fn set_parent_from(span: &Span, traceparent: &str) {
    adopt(span, context_of(traceparent));
}

/// Links a span to another one, which may belong to another trace.
pub fn link_to(span: &Span, other: &Span) {
    span.add_link(other.context().span().span_context().clone());
}

/// Links a span to a kept context; a malformed one changes nothing.
pub fn link_to_traceparent(span: &Span, traceparent: &str) {
    span.add_link(context_of(traceparent).span().span_context().clone());
}

fn context_of(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

fn adopt(span: &Span, parent: Context) {
    if parent.span().span_context().is_valid() {
        // Fails only where no traces are taken at all.
        let _ = span.set_parent(parent);
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }
    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
