//! One call under way: its span, its clock and its name.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use http::{HeaderMap, Response};
use opentelemetry::{Context, KeyValue, StringValue, metrics::Histogram};
use tonic::Code;
use tracing::Span;

use super::Measured;
use crate::{ENTRY, sampling::may_be_recorded};

/// Seconds; from one local call to the longest deadline.
const BOUNDARIES: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What a method that the server doesn't know is called, and its service.
const UNKNOWN: &str = "_OTHER";

static SERVER: LazyLock<Histogram<f64>> = LazyLock::new(|| durations("rpc.server.duration"));
static CLIENT: LazyLock<Histogram<f64>> = LazyLock::new(|| durations("rpc.client.duration"));

fn durations(name: &'static str) -> Histogram<f64> {
    crate::meter().f64_histogram(name).with_unit("s").with_boundaries(BOUNDARIES.to_vec()).build()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// Ends once: with the status that came, or as CANCELLED when it is dropped before one.
#[derive(Debug)]
pub(super) struct Call {
    side: Side,
    service: StringValue,
    method: StringValue,
    span: Span,
    began: Instant,
    ended: bool,
}

impl Call {
    /// Begins a call of `service/Method`, or of one that isn't known, for what is done in `parent`.
    pub(super) fn begin(side: Side, name: Option<&str>, parent: &Context) -> Self {
        let (service, method) =
            name.map_or((UNKNOWN, UNKNOWN), |name| name.split_once('/').unwrap_or((name, "")));
        // Probes come every few seconds and would bury the traces that matter.
        let span = if service.starts_with("grpc.health.") || service.starts_with("grpc.reflection.") {
            Span::none()
        } else if may_be_recorded(parent) {
            span(side, name.unwrap_or(UNKNOWN), service, method)
        } else if side == Side::Server {
            // Only so that the trace goes on by its ids.
            tracing::info_span!(target: ENTRY, "rpc")
        } else {
            Span::none()
        };
        Self {
            side,
            service: shared(service),
            method: shared(method),
            span,
            began: Instant::now(),
            ended: false,
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// The headers came; a status among them means that nothing else will.
    pub(super) fn answered<B>(mut self, response: Response<B>) -> Response<Measured<B>> {
        if let Some(code) = status(response.headers()) {
            self.end(code);
        } else if !response.status().is_success() {
            self.end(Code::Unknown);
        }
        response.map(|body| Measured::new(body, self))
    }

    pub(super) fn end(&mut self, code: Code) {
        self.end_as(code, self.is_failure(code));
    }

    fn end_as(&mut self, code: Code, is_failure: bool) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.span.record("rpc.grpc.status_code", code as i64);
        if is_failure {
            self.span.record("otel.status_code", "ERROR");
        }
        let attributes = self.attributes(code);
        let seconds = self.began.elapsed().as_secs_f64();
        match self.side {
            Side::Server => SERVER.record(seconds, &attributes),
            Side::Client => CLIENT.record(seconds, &attributes),
        }
        self.span = Span::none();
    }

    /// By what calls are told apart in metrics.
    pub(super) fn attributes(&self, code: Code) -> [KeyValue; 4] {
        [
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", self.service.clone()),
            KeyValue::new("rpc.method", self.method.clone()),
            KeyValue::new("rpc.grpc.status_code", code as i64),
        ]
    }

    /// What the conventions call an error: any for the caller, only the server's own fault for the server.
    fn is_failure(&self, code: Code) -> bool {
        match self.side {
            Side::Client => code != Code::Ok,
            Side::Server => matches!(
                code,
                Code::Unknown
                    | Code::DeadlineExceeded
                    | Code::Unimplemented
                    | Code::Internal
                    | Code::Unavailable
                    | Code::DataLoss
            ),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Given up by whoever had asked: nothing went wrong.
        self.end_as(Code::Cancelled, false);
    }
}

/// Copied once a call, not with each set of attributes.
fn shared(name: &str) -> StringValue {
    Arc::<str>::from(name).into()
}

pub(super) fn status(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

/// `service/Method` of a request's path.
pub(super) fn method(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn span(side: Side, name: &str, service: &str, method: &str) -> Span {
    let kind = match side {
        Side::Server => "server",
        Side::Client => "client",
    };
    tracing::info_span!(
        target: ENTRY,
        "rpc",
        otel.name = name,
        otel.kind = kind,
        otel.status_code = tracing::field::Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = tracing::field::Empty,
    )
}
