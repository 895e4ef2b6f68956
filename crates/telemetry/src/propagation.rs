//! W3C trace context, in and out of headers.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{TraceContextExt as _, TraceFlags},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::sampling;

/// The header, in gRPC metadata, HTTP and NATS alike.
pub const TRACEPARENT: &str = "traceparent";

/// The header of answers.
pub const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Writes the context of the current span into headers that go out.
pub fn inject_current(headers: &mut HeaderMap) {
    inject_context(&Context::current(), headers);
}

/// Writes the context of a span into headers that go out; the current one's, if nothing is recorded of the span.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    if span.is_disabled() {
        inject_current(headers);
    } else {
        inject_context(&span.context(), headers);
    }
}

fn inject_context(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut Outgoing(headers));
}

/// The context that headers name, or none.
#[must_use]
pub fn extract(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Incoming(headers))
}

/// What callers who named a context are told: the current one, and by its flag whether it is recorded (W3C Trace Context
/// Level 2, `traceresponse`).
#[must_use]
pub fn response_to(request: &HeaderMap) -> Option<HeaderValue> {
    let is_asked = request.contains_key(TRACEPARENT);
    let told = if is_asked { traceparent() } else { None };
    told.and_then(|told| HeaderValue::try_from(told).ok())
}

/// Whether an answer says of its trace that it is recorded, if it says anything.
#[must_use]
pub fn is_recorded(response: &HeaderMap) -> Option<bool> {
    let told = response.get(TRACERESPONSE)?.to_str().ok()?;
    let flags = u8::from_str_radix(told.split('-').nth(3)?, 16).ok()?;
    Some(flags & TraceFlags::SAMPLED.to_u8() != 0)
}

/// The context of the current span, to be kept where headers don't reach: in a row of the outbox.
#[must_use]
pub fn traceparent() -> Option<String> {
    written(&Context::current())
}

/// The context of a span.
#[must_use]
pub fn traceparent_of(span: &Span) -> Option<String> {
    written(&span.context())
}

fn written(context: &Context) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Whether something with this kept context may be recorded, rather than known not to be. To be asked before a span is
/// described at length.
#[must_use]
pub fn may_be_recorded(traceparent: Option<&str>) -> bool {
    sampling::may_be_recorded(&traceparent.map(context_of).unwrap_or_default())
}

/// Makes a span the child of a kept context, if one was kept. Before the span is first entered; a malformed context
/// changes nothing.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    if let Some(traceparent) = traceparent {
        adopt(span, context_of(traceparent));
    }
}

/// Links a span to another one, which may belong to another trace.
pub fn link_to(span: &Span, other: &Span) {
    link(span, &other.context());
}

/// Places the span of what is done for several in the trace of the first of them that is recorded, and links it with the
/// others that are, either with the other: who looks at one of their traces finds what was done in another's. Before the
/// span is first entered; where nothing is recorded it follows the first.
pub fn join<'a>(span: &Span, members: impl IntoIterator<Item = &'a Span>) {
    if span.is_disabled() {
        return;
    }
    let mut others = place(span, members.into_iter().map(|member| (Some(member), member.context())));
    let shared = span.context();
    others.drain(..).flatten().for_each(|member| link(member, &shared));
}

/// As [`join`], for members of whom only contexts are kept.
pub fn join_traceparents<'a>(span: &Span, members: impl IntoIterator<Item = &'a str>) {
    if !span.is_disabled() {
        place(span, members.into_iter().map(|kept| (None, context_of(kept))));
    }
}

/// Gives `span` its parent and its links; returns the members that are linked.
fn place<'a>(
    span: &Span,
    members: impl Iterator<Item = (Option<&'a Span>, Context)>,
) -> Vec<Option<&'a Span>> {
    let mut unrecorded = None;
    let mut is_placed = false;
    let mut linked = Vec::new();
    // Of what is recorded nowhere only the ids are needed.
    let most = if sampling::is_sent_nowhere() { 1 } else { usize::MAX };
    for (member, context) in members.take(most) {
        if !context.span().span_context().is_sampled() {
            unrecorded.get_or_insert(context);
        } else if is_placed {
            link(span, &context);
            linked.push(member);
        } else {
            adopt(span, context);
            is_placed = true;
        }
    }
    if let (false, Some(context)) = (is_placed, unrecorded) {
        adopt(span, context);
    }
    linked
}

fn link(span: &Span, other: &Context) {
    let other = other.span();
    if other.span_context().is_sampled() {
        span.add_link(other.span_context().clone());
    }
}

fn context_of(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// Makes a span the child of a context, if that is one of a span. Before the span is first entered.
pub fn adopt(span: &Span, parent: Context) {
    if parent.span().span_context().is_valid() {
        // Fails only where no traces are taken at all.
        let _ = span.set_parent(parent);
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            // `tracestate` is mostly empty, and then nothing but a header more.
            if value.is_empty() {
                self.0.remove(name)
            } else {
                self.0.insert(name, value)
            };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_its_trace_is_recorded() {
        let recorded = |told: &'static str| {
            is_recorded(&HeaderMap::from_iter([(TRACERESPONSE, HeaderValue::from_static(told))]))
        };
        assert_eq!(recorded("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some(true));
        assert_eq!(recorded("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"), Some(true));
        assert_eq!(recorded("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"), Some(false));
        assert_eq!((recorded("nonsense"), is_recorded(&HeaderMap::new())), (None, None));
    }

    #[test]
    fn who_named_no_trace_is_told_of_none() {
        assert_eq!(response_to(&HeaderMap::new()), None);
    }

    #[test]
    fn a_state_that_is_empty_is_taken_off_and_not_sent() {
        let mut headers =
            HeaderMap::from_iter([(HeaderName::from_static("tracestate"), HeaderValue::from_static("a=1"))]);
        let kept = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        inject_context(&context_of(kept), &mut headers);
        assert_eq!((headers.len(), headers[TRACEPARENT].to_str().unwrap()), (1, kept));
    }
}
