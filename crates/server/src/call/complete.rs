//! Details that no error leaves without.

use std::collections::HashMap;

use http::HeaderMap;
use prost::Message;
use prost_types::Any;
use tonic::Status;
use tonic_types::{ErrorInfo, RequestInfo, pb};

use super::request_id::RequestId;
use crate::status::{DOMAIN, name};

/// Adds to the error in headers or trailers, if there is one, what it lacks: an `ErrorInfo`, so that a program can tell
/// it from others, and the request's id, so that its cause is found.
///
/// A handler of ours has said more already; tonic itself, and handlers' bare statuses, have not.
pub(crate) fn complete(headers: &mut HeaderMap, request_id: &RequestId) {
    if headers.get(Status::GRPC_STATUS).is_none_or(|code| code == "0") {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    let mut told = pb::Status::decode(status.details())
        .unwrap_or_else(|_| pb::Status { code: status.code().into(), ..pb::Status::default() });
    status.message().clone_into(&mut told.message);
    let mut is_changed = false;
    if !told.details.iter().any(|detail| detail.type_url == ErrorInfo::TYPE_URL) {
        let info = pb::ErrorInfo {
            // The code's own name, where nothing more exact was said.
            reason: name(status.code()).to_owned(),
            domain: DOMAIN.to_owned(),
            metadata: HashMap::new(),
        };
        told.details.insert(0, any(ErrorInfo::TYPE_URL, &info));
        is_changed = true;
    }
    if let Some(id) = request_id.as_str() {
        let noted = told.details.iter().position(|detail| detail.type_url == RequestInfo::TYPE_URL);
        // What the handler noted is the trace.
        let trace =
            noted.map(|index| told.details.remove(index)).map_or_else(String::new, |detail| traced(&detail));
        let info = pb::RequestInfo { request_id: id.to_owned(), serving_data: trace };
        told.details.push(any(RequestInfo::TYPE_URL, &info));
        is_changed = true;
    }
    if is_changed {
        let status = Status::with_details(status.code(), status.message(), told.encode_to_vec().into());
        // The code and the message were headers before, and Base64 always is one.
        let _ = status.add_header(headers);
    }
}

fn any(type_url: &str, detail: &impl Message) -> Any {
    Any { type_url: type_url.to_owned(), value: detail.encode_to_vec() }
}

fn traced(detail: &Any) -> String {
    pb::RequestInfo::decode(&*detail.value).unwrap_or_default().request_id
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tonic::Code;
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::status;

    fn completed(status: &Status, request_id: Option<&'static str>) -> Status {
        let named = request_id
            .map(|id| (http::HeaderName::from_static("x-request-id"), HeaderValue::from_static(id)));
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        complete(&mut headers, &RequestId::of(&named.into_iter().collect()));
        Status::from_header_map(&headers).unwrap()
    }

    #[test]
    fn a_bare_error_is_given_a_reason() {
        let told = completed(&Status::not_found("no ‹such› thing"), None);

        assert_eq!((told.code(), told.message()), (Code::NotFound, "no ‹such› thing"));
        let info = told.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NOT_FOUND", DOMAIN));
        assert!(told.get_details_request_info().is_none());
    }

    #[test]
    fn what_a_handler_said_stays() {
        let told = completed(&status::unavailable(std::time::Duration::from_secs(3)), Some("click-17"));

        assert_eq!(told.get_details_error_info().unwrap().reason, "UNAVAILABLE");
        assert_eq!(told.get_details_retry_info().unwrap().retry_delay.unwrap().as_secs(), 3);
        assert_eq!(told.get_details_request_info().unwrap().request_id, "click-17");
    }

    #[test]
    fn the_requests_id_comes_before_the_trace_that_was_noted() {
        let mut details = tonic_types::ErrorDetails::with_error_info("INTERNAL", DOMAIN, HashMap::new());
        details.set_request_info("4bf92f3577b34da6a3ce929d0e0e4736", "");
        let internal = Status::with_error_details(Code::Internal, "wrong", details);

        let info = completed(&internal, Some("click-17")).get_details_request_info().unwrap();

        assert_eq!(
            (info.request_id.as_str(), info.serving_data.as_str()),
            ("click-17", "4bf92f3577b34da6a3ce929d0e0e4736")
        );
        let unnamed = completed(&internal, None).get_details_request_info().unwrap();
        assert_eq!(unnamed.request_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn success_stays_as_it_is() {
        let mut headers = HeaderMap::new();
        Status::ok("").add_header(&mut headers).unwrap();
        let before = headers.clone();
        complete(&mut headers, &RequestId::of(&HeaderMap::new()));
        assert_eq!(headers, before);
    }
}
