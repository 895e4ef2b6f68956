//! What the gateway itself refuses, with the details of `google.rpc`.

use std::{collections::HashMap, time::Duration};

use server::status::DOMAIN;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// When to come back after a service broke off: another replica is there.
const ELSEWHERE: Duration = Duration::from_millis(100);

fn details(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

/// `UNIMPLEMENTED`: the same for methods that don't exist and for those that only services may call.
pub(crate) fn unknown_method() -> Status {
    Status::with_error_details(Code::Unimplemented, "there is no such method here", details("UNKNOWN_METHOD"))
}

/// `INVALID_ARGUMENT`: several services have the method.
pub(crate) fn which_service(metadata: &str, choices: &[&str]) -> Status {
    let choices = choices.join(", ");
    let chosen = HashMap::from([("choices".to_owned(), choices.clone())]);
    let mut details = ErrorDetails::with_error_info("SERVICE_AMBIGUOUS", DOMAIN, chosen);
    details.add_bad_request_violation(metadata, format!("must be one of {choices}"));
    let message =
        format!("several services have this method: say which with the metadata `{metadata}`: {choices}");
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// `RESOURCE_EXHAUSTED`.
pub(crate) fn too_large(bytes: usize, most: usize) -> Status {
    let message = format!("a message of {bytes} bytes is too large: at most {most} are passed on");
    Status::with_error_details(Code::ResourceExhausted, message, details("MESSAGE_TOO_LARGE"))
}

/// `RESOURCE_EXHAUSTED`.
pub(crate) fn headers_too_large(bytes: usize, most: usize) -> Status {
    let message = format!("metadata of {bytes} bytes is too large: at most {most} are passed on");
    Status::with_error_details(Code::ResourceExhausted, message, details("METADATA_TOO_LARGE"))
}

/// `INVALID_ARGUMENT`.
pub(crate) fn malformed() -> Status {
    let message = "the request can't be read";
    Status::with_error_details(Code::InvalidArgument, message, details("MALFORMED_MESSAGE"))
}

/// `UNAVAILABLE`: this replica of the gateway stops.
pub(crate) fn stopping() -> Status {
    server::status::unavailable(ELSEWHERE)
}

/// `UNAVAILABLE`: the service broke off in the middle of its answer.
pub(crate) fn broke_off() -> Status {
    let mut details = details("UNAVAILABLE");
    details.set_retry_info(Some(ELSEWHERE));
    Status::with_error_details(Code::Unavailable, "the service broke off its answer", details)
}
