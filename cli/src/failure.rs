//! What can go wrong, told so that the reader knows what to do next.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Why a command didn't do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The shop understood and refused.
    Refused(Box<Status>),
    /// The command line, or what it names, is wrong.
    Usage(String),
    /// Nobody is signed in, or not any more.
    SignIn(String),
    /// Nothing answers at the address.
    Unreachable { address: String },
    /// A change was sent and no answer came.
    OutcomeUnknown { request_id: String, status: Box<Status> },
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// As documented in `bookstore --help`.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::SignIn(_) => 3,
            Self::Unreachable { .. } => 4,
            Self::OutcomeUnknown { .. } => 5,
        }
    }

    /// The failure of a change, which may have happened although its answer is missing.
    pub(crate) fn of_change(self, request_id: &str) -> Self {
        match self {
            Self::Refused(status)
                if matches!(
                    status.code(),
                    Code::Unavailable
                        | Code::DeadlineExceeded
                        | Code::Cancelled
                        | Code::Unknown
                        | Code::Internal
                ) =>
            {
                Self::OutcomeUnknown { request_id: request_id.to_owned(), status }
            }
            other => other,
        }
    }

    /// For `--output json`.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "message": self.to_string(), "exit_code": self.exit_code() });
        if let Self::Refused(status) | Self::OutcomeUnknown { status, .. } = self {
            error["code"] = json!(format!("{:?}", status.code()));
            error["message"] = json!(status.message());
            if let Some(info) = status.get_details_error_info() {
                error["reason"] = json!(info.reason);
            }
            let fields: Vec<_> = faults(status)
                .map(|(subject, description)| json!({ "subject": subject, "description": description }))
                .collect();
            if !fields.is_empty() {
                error["violations"] = json!(fields);
            }
        }
        if let Self::OutcomeUnknown { request_id, .. } = self {
            error["request_id"] = json!(request_id);
        }
        json!({ "error": error })
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        if status.code() == Code::Unauthenticated && !is_wrong_password(&status) {
            return Self::SignIn("your sign-in has ended".to_owned());
        }
        Self::Refused(Box::new(status))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => f.write_str(&explain(status)),
            Self::Usage(message) => f.write_str(message),
            Self::SignIn(what) => {
                write!(f, "{what}\n  sign in with: bookstore login --email YOU@EXAMPLE.COM")
            }
            Self::Unreachable { address } => write!(
                f,
                "nothing answers at {address}\n  start the shop on this machine with: cargo xtask up\n  or name another address: see the end of `bookstore --help`"
            ),
            Self::OutcomeUnknown { request_id, status } => write!(
                f,
                "{}\n  it may have happened all the same; to find out safely, repeat the command with: --request-id {request_id}",
                explain(status)
            ),
        }
    }
}

fn is_wrong_password(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == "WRONG_CREDENTIALS")
}

/// Each field or line that the shop named, and what is wrong with it.
fn faults(status: &Status) -> impl Iterator<Item = (String, String)> {
    let fields = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    let lines =
        status.get_details_precondition_failure().map(|failure| failure.violations).unwrap_or_default();
    (fields.into_iter().map(|field| (field.field, field.description)))
        .chain(lines.into_iter().map(|line| (line.subject, line.description)))
}

fn explain(status: &Status) -> String {
    let mut text = match status.code() {
        Code::Unavailable => "the shop is briefly unavailable; try again in a moment".to_owned(),
        Code::DeadlineExceeded => "the shop took too long to answer".to_owned(),
        Code::Internal | Code::Unknown => "something went wrong in the shop; its log says what".to_owned(),
        _ => status.message().to_owned(),
    };
    for (subject, description) in faults(status) {
        let _ = write!(text, "\n  {subject}: {description}");
    }
    text
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    #[test]
    fn every_wrong_field_has_a_line() {
        let mut details = ErrorDetails::new();
        details
            .add_bad_request_violation("name", "is required")
            .add_bad_request_violation("city", "is too long");
        let status =
            Status::with_error_details(Code::InvalidArgument, "the request has 2 wrong fields", details);

        assert_eq!(
            Failure::from(status).to_string(),
            "the request has 2 wrong fields\n  name: is required\n  city: is too long"
        );
    }

    #[test]
    fn a_change_without_an_answer_names_the_request_to_repeat() {
        let failure = Failure::from(Status::unavailable("")).of_change("r-1");

        assert_eq!(failure.exit_code(), 5);
        assert!(failure.to_string().contains("--request-id r-1"));
    }

    #[test]
    fn an_ended_session_says_how_to_sign_in() {
        let failure = Failure::from(Status::unauthenticated("expired"));

        assert_eq!(failure.exit_code(), 3);
        assert!(failure.to_string().contains("bookstore login"));
    }
}
