//! What the gateway calls a request, in its log and to its client.

use http::{HeaderMap, HeaderName};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The name that came with a call, if it is well-formed; it proves nothing.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Option<values::RequestId>);

impl RequestId {
    /// From the headers, of the form that the contract's own request ids have; noted on the call's span.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut shown = headers.get_all(HEADER).iter();
        let (Some(id), None) = (shown.next(), shown.next()) else { return Self(None) };
        let id: Option<values::RequestId> = id.to_str().ok().and_then(|id| id.parse().ok());
        if let Some(id) = &id {
            Span::current().set_attribute("request.id", id.to_string());
        }
        Self(id)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(values::RequestId::as_str)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_one_that_is_well_formed_is_taken() {
        let of = |ids: &[&'static str]| {
            let headers = ids.iter().map(|id| (HEADER, HeaderValue::from_static(id))).collect();
            RequestId::of(&headers).as_str().map(str::to_owned)
        };
        assert_eq!(of(&["click-17"]).as_deref(), Some("click-17"));
        for ids in [&[][..], &[""], &["a b"], &["someone@example.org"], &["one", "two"]] {
            assert_eq!(of(ids), None, "{ids:?}");
        }
    }
}
