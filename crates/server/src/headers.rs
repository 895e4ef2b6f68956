//! What the headers of a call say, to a service and to who stands in front of it.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tonic::Status;

use crate::status;

/// Carries how long the caller waits.
pub const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Carries what the gateway calls a request, in its log and to its client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long the caller waits, if it says so.
///
/// # Errors
/// `INVALID_ARGUMENT`: what it says can't be read.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(timeout) = headers.get(TIMEOUT) else { return Ok(None) };
    timeout.to_str().ok().and_then(mesh::parse_timeout).map(Some).ok_or_else(status::malformed_deadline)
}

/// What the request is called, if that has the form of the contract's own request ids; it proves nothing.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<values::RequestId> {
    let mut named = headers.get_all(REQUEST_ID).iter();
    let (Some(id), None) = (named.next(), named.next()) else { return None };
    id.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_an_id_that_is_well_formed_is_taken() {
        let of = |ids: &[&'static str]| {
            let headers = ids.iter().map(|id| (REQUEST_ID, HeaderValue::from_static(id))).collect();
            request_id(&headers).map(|id| id.to_string())
        };
        assert_eq!(of(&["click-17"]).as_deref(), Some("click-17"));
        for ids in [&[][..], &[""], &["a b"], &["someone@example.org"], &["one", "two"]] {
            assert_eq!(of(ids), None, "{ids:?}");
        }
    }
}
