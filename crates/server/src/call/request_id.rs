//! What the gateway calls a request, in its log and to its client.

use http::HeaderMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::headers;

/// The name that came with a call, if it is well-formed; it proves nothing.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Option<values::RequestId>);

impl RequestId {
    /// From the headers, of the form that the contract's own request ids have; noted on the call's span.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let id = headers::request_id(headers);
        if let Some(id) = &id {
            Span::current().set_attribute("request.id", id.to_string());
        }
        Self(id)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(values::RequestId::as_str)
    }
}
