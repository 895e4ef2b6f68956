//! Answers that refuse, with the details of `google.rpc` that tell a program what it may do about it.

use std::{collections::HashMap, time::Duration};

use auth::Permission;
use proto::types::v1::Refusal;
use sea_orm::DbErr;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use values::Violations;

use crate::database;

/// `ErrorInfo.domain` of every error.
pub const DOMAIN: &str = "bookstore";

/// As the protocol writes it.
#[must_use]
pub const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A status as an answer to one request of several.
#[must_use]
pub fn refusal(status: &Status) -> Refusal {
    Refusal {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: status.details().to_vec(),
    }
}

/// What a service answered to one request of several; a code that is none of gRPC's is UNKNOWN.
#[must_use]
pub fn refused(refusal: Refusal) -> Status {
    let code = match Code::from_i32(refusal.code) {
        // Nobody refuses with OK.
        Code::Ok => Code::Unknown,
        code => code,
    };
    Status::with_details(code, refusal.message, refusal.details.into())
}

/// When to come back after a refusal that soon passes.
pub(crate) const SOON: Duration = Duration::from_millis(500);

fn details(reason: impl Into<String>) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

/// How much is said about wrong fields, in bytes. Clients drop trailers above 16 KiB, and Base64 takes a third more.
const MAX_VIOLATIONS: usize = 8 * 1024;
/// What Protobuf puts around a violation: three tags and lengths.
const VIOLATION_FRAME: usize = 9;

/// `INVALID_ARGUMENT` that names each wrong field, as far as there is room: the last one named says how many more there
/// are.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "goes where `map_err` takes a function of the violations")]
pub fn invalid(violations: Violations) -> Status {
    let mut details = details("INVALID_FIELDS");
    let count = violations.iter().count();
    let mut room = MAX_VIOLATIONS;
    for (index, (field, description)) in violations.iter().enumerate() {
        let size = VIOLATION_FRAME + field.len() + description.len();
        if size > room {
            details.add_bad_request_violation(field, format!("and {} more", count - index));
            break;
        }
        room -= size;
        details.add_bad_request_violation(field, description);
    }
    let message = match count {
        1 => "a field of the request is wrong".to_owned(),
        count => format!("{count} fields of the request are wrong"),
    };
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// `NOT_FOUND`: there is no such `kind` ("order") for this caller.
#[must_use]
pub fn not_found(kind: &str, name: impl Into<String>) -> Status {
    let mut details = details(format!("{}_NOT_FOUND", kind.to_ascii_uppercase().replace([' ', '-'], "_")));
    details.set_resource_info(kind, name, "", "");
    Status::with_error_details(Code::NotFound, format!("no such {kind}"), details)
}

/// `ALREADY_EXISTS`.
#[must_use]
pub fn already_exists(reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(Code::AlreadyExists, message, details(reason))
}

/// `ALREADY_EXISTS`: the request id was used for another request.
#[must_use]
pub fn request_id_reused() -> Status {
    already_exists("REQUEST_ID_REUSED", "this request_id was used for a different request")
}

/// `ABORTED`: what the caller read has changed since; to be read again, and changed again.
#[must_use]
pub fn etag_mismatch() -> Status {
    let message = "it has changed since the etag was read";
    Status::with_error_details(Code::Aborted, message, details("ETAG_MISMATCH"))
}

/// `FAILED_PRECONDITION`; each violation names its subject (`items[2]`) and what is wrong with it.
#[must_use]
pub fn precondition(reason: &str, message: impl Into<String>, violations: Vec<(String, String)>) -> Status {
    let mut details = details(reason);
    for (subject, description) in violations {
        details.add_precondition_failure_violation(reason, subject, description);
    }
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// `UNAVAILABLE`: the same call may succeed after `retry`.
#[must_use]
pub fn unavailable(retry: Duration) -> Status {
    let mut details = details("UNAVAILABLE");
    details.set_retry_info(Some(retry));
    Status::with_error_details(Code::Unavailable, "the service is briefly unavailable", details)
}

/// `UNAVAILABLE`: the service still starts and has not looked at the call, so that the mesh may make any call elsewhere.
pub(crate) fn starting(retry: Duration) -> Status {
    let mut details = details("STARTING");
    details.set_retry_info(Some(retry));
    Status::with_error_details(Code::Unavailable, "the service is starting", details)
}

/// `UNAUTHENTICATED`.
#[must_use]
pub fn unauthenticated(reason: &str) -> Status {
    let message = match reason {
        "SIGN_IN_REQUIRED" => "sign in to do this",
        "TOKEN_EXPIRED" => "the sign-in has expired",
        "SESSION_REVOKED" => "the sign-in has ended: sign in again",
        "WRONG_CREDENTIALS" => "wrong e-mail address or password",
        "REFRESH_TOKEN_INVALID" => "the refresh token is not valid: sign in again",
        "REFRESH_TOKEN_EXPIRED" => "the refresh token has expired: sign in again",
        "REFRESH_TOKEN_REUSED" => "the refresh token was used before: sign in again",
        _ => "the access token is not valid",
    };
    Status::with_error_details(Code::Unauthenticated, message, details(reason))
}

/// `PERMISSION_DENIED`.
#[must_use]
pub fn permission_denied(reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(Code::PermissionDenied, message, details(reason))
}

/// `PERMISSION_DENIED`: the user's roles don't allow it; the metadata names the `permission` that would.
#[must_use]
pub fn permission_missing(permission: Permission) -> Status {
    let metadata = HashMap::from([("permission".to_owned(), permission.to_string())]);
    let details = ErrorDetails::with_error_info("PERMISSION_MISSING", DOMAIN, metadata);
    let message = format!("this takes the permission {permission}");
    Status::with_error_details(Code::PermissionDenied, message, details)
}

/// `RESOURCE_EXHAUSTED`: too much at once; the same call may succeed after `retry`.
#[must_use]
pub fn exhausted(reason: &str, message: impl Into<String>, retry: Duration) -> Status {
    let mut details = details(reason);
    details.set_retry_info(Some(retry));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// `INTERNAL`: a defect of ours. Whoever answers it has logged the cause; the caller gets the trace to report.
#[must_use]
pub fn internal() -> Status {
    let mut details = details("INTERNAL");
    if let Some(trace) =
        telemetry::propagation::traceparent().as_deref().and_then(|context| context.get(3..35))
    {
        details.set_request_info(trace, "");
    }
    Status::with_error_details(Code::Internal, "something went wrong in the service", details)
}

/// A failed statement: `UNAVAILABLE` while the database is down or another transaction was in the way; anything else
/// is a defect, logged here and `INTERNAL`.
#[must_use]
pub fn from_db(error: &DbErr) -> Status {
    if database::is_down(error) || database::is_conflict(error) {
        tracing::warn!(%error, "the database did not answer");
        return unavailable(SOON);
    }
    tracing::error!(%error, "a statement failed");
    internal()
}

pub(crate) fn too_large(bytes: usize, most: usize) -> Status {
    let message = format!("a message of {bytes} bytes is too large: at most {most} are accepted");
    Status::with_error_details(Code::ResourceExhausted, message, details("MESSAGE_TOO_LARGE"))
}

pub(crate) fn services_only() -> Status {
    permission_denied("SERVICES_ONLY", "only certain services of the shop may call this")
}

pub(crate) fn unknown_method() -> Status {
    Status::with_error_details(Code::Unimplemented, "there is no such method here", details("UNKNOWN_METHOD"))
}

pub(crate) fn malformed() -> Status {
    let message = "the message cannot be decoded as this method's request";
    Status::with_error_details(Code::InvalidArgument, message, details("MALFORMED_MESSAGE"))
}

pub(crate) fn malformed_deadline() -> Status {
    let mut violations = Violations::new();
    violations.add("grpc-timeout", "must be up to eight digits and one of H, M, S, m, u, n");
    invalid(violations)
}

/// `DEADLINE_EXCEEDED`.
#[must_use]
pub fn deadline_exceeded() -> Status {
    Status::with_error_details(Code::DeadlineExceeded, "the deadline passed", details("DEADLINE_EXCEEDED"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(count: usize, description: &str) -> Vec<(String, String)> {
        let mut violations = Violations::new();
        for index in 0..count {
            violations.add(format!("items[{index}].offer_id"), description);
        }
        let status = invalid(violations);
        let mut trailers = http::HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        assert!(trailers.values().map(http::HeaderValue::len).sum::<usize>() < 12 * 1024);
        let request = status.get_details_bad_request().unwrap();
        request.field_violations.into_iter().map(|wrong| (wrong.field, wrong.description)).collect()
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let named = refused(1000, "must be an id");

        let (last, description) = named.last().unwrap();
        assert_eq!(*last, format!("items[{}].offer_id", named.len() - 1));
        assert_eq!(*description, format!("and {} more", 1000 - (named.len() - 1)));
        assert!((150..1000).contains(&named.len()), "{}", named.len());
    }

    #[test]
    fn what_there_is_room_for_is_named() {
        assert_eq!(refused(100, "must be an id").len(), 100);
        assert_eq!(
            refused(1, &"x".repeat(20_000)),
            [("items[0].offer_id".to_owned(), "and 1 more".to_owned())]
        );
    }
}
