//! The services that orders need.

mod identity;
mod inventory;

use tonic::{Code, Status};

pub(crate) use self::{
    identity::{Identity, Recipient, RecipientQuery},
    inventory::{Commitment, Inventory, Reservation, Wanted},
};
use crate::error::Error;

/// Why another service gave no answer that we can use.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It refuses, for a reason that is our caller's to know.
    #[error("{0}")]
    Refused(Status),
    /// It may answer another time.
    #[error("{service} did not answer: {status}")]
    Unanswered {
        /// Which one.
        service: &'static str,
        /// `UNAVAILABLE` or `DEADLINE_EXCEEDED`, as the call ended here.
        status: Status,
    },
    /// It answered what the contract doesn't allow.
    #[error("{service} answered nonsense: {what}")]
    Nonsense {
        /// Which one.
        service: &'static str,
        /// What is wrong.
        what: String,
    },
}

fn failed(service: &'static str) -> impl Fn(Status) -> CallError {
    move |status| match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Unauthenticated => CallError::Refused(status),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted => {
            CallError::Unanswered { service, status }
        }
        Code::Ok
        | Code::Unknown
        | Code::PermissionDenied
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => CallError::Nonsense { service, what: status.to_string() },
    }
}

fn nonsense(service: &'static str, what: &dyn std::fmt::Display) -> CallError {
    CallError::Nonsense { service, what: what.to_string() }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        match error {
            // Without the metadata, which is between them and us.
            CallError::Refused(status) => {
                Self::with_details(status.code(), status.message(), status.details().to_vec().into())
            }
            CallError::Unanswered { service, status } if status.code() == Code::DeadlineExceeded => {
                tracing::warn!(peer = service, %status, "a service did not answer in time");
                Self::deadline_exceeded(format!("{service} did not answer in time"))
            }
            CallError::Unanswered { service, status } => {
                tracing::warn!(peer = service, %status, "a service cannot be reached");
                server::status::unavailable(std::time::Duration::from_millis(500))
            }
            CallError::Nonsense { .. } => {
                tracing::error!(%error, "a call failed");
                server::status::internal()
            }
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            // The key is made of the request: it has been used for other lines by a request that made no order.
            CallError::Refused(status) if status.code() == Code::AlreadyExists => Self::RequestIdReused,
            error => Self::Call(error),
        }
    }
}
