//! W3C trace contexts, of headers and of rows of the outbox.

use http::{HeaderMap, HeaderValue};
use telemetry::propagation;

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "traces",
    about: "traceparent and tracestate",
    longest: 2048,
    run,
    examples: || {
        crate::texts(&[
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nrojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        ])
    },
};

/// The context, and after a line break its state.
fn run(bytes: &[u8]) {
    let span = tracing::info_span!("a call");
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in [propagation::TRACEPARENT, "tracestate"] {
        if let Some(value) = parts.next().and_then(|value| HeaderValue::from_bytes(value).ok()) {
            headers.insert(name, value);
        }
    }
    propagation::adopt(&span, propagation::extract(&headers));
    if let Some(text) = text::of(bytes) {
        propagation::follow(&tracing::info_span!("an event"), Some(text));
        propagation::join_traceparents(&tracing::info_span!("a batch"), [text, text]);
    }
    let mut onward = HeaderMap::new();
    propagation::inject(&span, &mut onward);
}
