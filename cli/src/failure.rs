//! What can go wrong, told so that the reader knows what to do next.

mod advice;

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

pub(crate) use self::advice::{permission, role_with};
use crate::{gateway::Service, typed::quoted};

/// Why a command didn't do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The shop understood and refused.
    Refused(Box<Refusal>),
    /// The command makes sense, but something that it takes isn't there.
    NotPossible(String),
    /// The command line is wrong.
    Usage(String),
    /// Nobody is signed in, or not any more; with what the shop said if it was asked.
    SignIn { what: String, status: Option<Box<Status>> },
    /// The account was opened, but signing in to it failed.
    OnlyRegistered { email: String, cause: Box<Self> },
    /// The session is forgotten here, but the shop doesn't know that it is to end; it does so by itself.
    OnlyForgotten { until: DateTime<Utc>, cause: Box<Self> },
    /// The account was to be deleted, no answer came, and the sign-in was refused from then on.
    PerhapsDeleted { email: String, status: Option<Box<Status>> },
    /// Of several services that were asked these didn't answer.
    Incomplete(Vec<(Service, Self)>),
    /// Nothing answers at the address.
    Unreachable { address: String },
    /// A change was sent and no answer came.
    OutcomeUnknown(Box<Unanswered>),
}

/// What the shop said.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    /// What the user calls the fields and subjects that the shop names.
    names: HashMap<String, String>,
}

/// A change that may have happened.
#[derive(Debug)]
pub(crate) struct Unanswered {
    status: Status,
    /// Where the change has one: others may be repeated as they are.
    request_id: Option<String>,
    /// The command that repeats exactly the same change.
    repetition: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn not_possible(message: impl Into<String>) -> Self {
        Self::NotPossible(message.into())
    }

    pub(crate) fn sign_in(what: impl Into<String>) -> Self {
        Self::SignIn { what: what.into(), status: None }
    }

    /// As documented in `bookstore --help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(refusal) if cannot_answer_now(&refusal.status) => 4,
            Self::Refused(_) | Self::NotPossible(_) => 1,
            Self::Usage(_) => 2,
            Self::SignIn { .. } | Self::OnlyRegistered { .. } => 3,
            Self::OnlyForgotten { .. } | Self::Incomplete(_) | Self::Unreachable { .. } => 4,
            Self::OutcomeUnknown(_) | Self::PerhapsDeleted { .. } => 5,
        }
    }

    /// The failure of a change, which may have happened although its answer is missing, and the command that repeats it.
    pub(crate) fn of_change(self, request_id: Option<&str>, repetition: String) -> Self {
        match self {
            Self::Refused(refusal) if leaves_open(refusal.status.code()) => {
                let request_id = request_id.map(str::to_owned);
                let status = refusal.status;
                Self::OutcomeUnknown(Box::new(Unanswered { status, request_id, repetition }))
            }
            other => other,
        }
    }

    /// Says which command repeats the same change, where the one that was typed might not.
    pub(crate) fn repeated_by(self, repetition: String) -> Self {
        match self {
            Self::OutcomeUnknown(unanswered) => {
                Self::OutcomeUnknown(Box::new(Unanswered { repetition, ..*unanswered }))
            }
            other => other,
        }
    }

    /// Says what the user calls that which the shop names.
    pub(crate) fn naming(self, names: HashMap<String, String>) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(Box::new(Refusal { names, ..*refusal })),
            other => other,
        }
    }

    fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(refusal) => Some(&refusal.status),
            Self::OutcomeUnknown(unanswered) => Some(&unanswered.status),
            Self::SignIn { status, .. } | Self::PerhapsDeleted { status, .. } => status.as_deref(),
            Self::OnlyRegistered { cause, .. } | Self::OnlyForgotten { cause, .. } => cause.status(),
            Self::NotPossible(_) | Self::Usage(_) | Self::Incomplete(_) | Self::Unreachable { .. } => None,
        }
    }

    /// For `--output json`.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "message": self.to_string(), "exit_code": self.exit_code() });
        if let Some(status) = self.status() {
            error["code"] = json!(format!("{:?}", status.code()));
            if let Some(info) = status.get_details_error_info() {
                error["reason"] = json!(info.reason);
                if !info.metadata.is_empty() {
                    error["metadata"] = json!(info.metadata);
                }
            }
            if let Some(wait) = advice::wait(status) {
                error["retry_after_seconds"] = json!(wait.as_secs_f64());
            }
            let fields: Vec<_> = faults(status)
                .map(|(subject, description)| json!({ "subject": subject, "description": description }))
                .collect();
            if !fields.is_empty() {
                error["violations"] = json!(fields);
            }
        }
        match self {
            // The wrong fields aren't told twice.
            Self::Refused(refusal) => error["message"] = json!(refusal.status.message()),
            Self::Incomplete(silent) => {
                let silent: Vec<_> = silent.iter().map(|(service, _)| service.name()).collect();
                error["services"] = json!(silent);
            }
            Self::OutcomeUnknown(unanswered) => {
                if let Some(request_id) = &unanswered.request_id {
                    error["request_id"] = json!(request_id);
                }
                error["repeat_with"] = json!(unanswered.repetition);
            }
            _ => {}
        }
        json!({ "error": error })
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        if status.code() == Code::Unauthenticated && !is_wrong_password(&status) {
            let what = advice::why_signed_out(&status).to_owned();
            return Self::SignIn { what, status: Some(Box::new(status)) };
        }
        Self::Refused(Box::new(Refusal { status, names: HashMap::new() }))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(&explain(&refusal.status, &refusal.names)),
            Self::NotPossible(message) | Self::Usage(message) => f.write_str(message),
            Self::SignIn { what, .. } => {
                write!(f, "{what}\n  sign in with: bookstore login --email YOU@EXAMPLE.COM")
            }
            Self::OnlyRegistered { email, cause } => {
                let email = quoted(email);
                write!(f, "{cause}\n  you are registered; sign in with: bookstore login --email {email}")
            }
            Self::OnlyForgotten { until, cause } => {
                let until = until.format("%F %T UTC");
                write!(
                    f,
                    "{cause}\n  the token is forgotten here all the same, but the shop could not be told: copies of it are good until {until}"
                )
            }
            Self::PerhapsDeleted { email, .. } => {
                let email = quoted(email);
                write!(
                    f,
                    "no answer came, and your sign-in has ended: your account is probably deleted\n  the sign-in is forgotten here; the account is still there if you can sign in again: bookstore login --email {email}"
                )
            }
            Self::Incomplete(silent) => {
                let names: Vec<_> = silent.iter().map(|(service, _)| service.name()).collect();
                write!(f, "no answer from {}", names.join(", "))?;
                silent.iter().try_for_each(|(service, failure)| {
                    // The first line; what to do about it is the same for all.
                    let failure = failure.to_string();
                    write!(f, "\n  {service}: {}", failure.lines().next().unwrap_or_default())
                })
            }
            Self::Unreachable { address } => write!(
                f,
                "nothing answers at {address}\n  start the shop on this machine with: cargo xtask up\n  or name another address with --url or BOOKSTORE_URL"
            ),
            Self::OutcomeUnknown(unanswered) => {
                f.write_str(&explain(&unanswered.status, &HashMap::new()))?;
                let repetition = &unanswered.repetition;
                write!(
                    f,
                    "\n  it may have happened all the same; to find out safely, repeat it with:\n  {repetition}"
                )
            }
        }
    }
}

/// Whether the shop is there but can't answer now: too busy, too.
fn cannot_answer_now(status: &Status) -> bool {
    has_no_answer(status.code()) || advice::wait(status).is_some()
}

/// Whether no answer came.
const fn has_no_answer(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
}

/// Whether a change that ends so may have happened.
pub(crate) const fn leaves_open(code: Code) -> bool {
    has_no_answer(code) || matches!(code, Code::Unknown | Code::Internal)
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

fn explain(status: &Status, names: &HashMap<String, String>) -> String {
    let mut text = match status.code() {
        Code::Unavailable => "the shop is briefly unavailable; try again in a moment".to_owned(),
        Code::DeadlineExceeded | Code::Cancelled => "the shop took too long to answer".to_owned(),
        Code::Internal | Code::Unknown => {
            let trace = status.get_details_request_info().map(|info| info.request_id).unwrap_or_default();
            let trace = if trace.is_empty() { trace } else { format!(" (trace {trace})") };
            format!("something went wrong in the shop; its log says what{trace}")
        }
        _ => status.message().to_owned(),
    };
    for (subject, description) in faults(status) {
        let subject = names.get(&subject).unwrap_or(&subject);
        let _ = write!(text, "\n  {subject}: {description}");
    }
    for advice in advice::lines(status) {
        let _ = write!(text, "\n  {advice}");
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
    fn a_change_without_an_answer_names_the_command_that_repeats_it() {
        let typed = "bookstore wallet top-up 20.00 --request-id r-1";

        let failure = Failure::from(Status::unavailable("")).of_change(Some("r-1"), typed.to_owned());

        assert_eq!(failure.exit_code(), 5);
        assert!(failure.to_string().ends_with(&format!("repeat it with:\n  {typed}")), "{failure}");
    }

    #[test]
    fn a_program_hears_that_a_change_may_have_happened_and_how_to_repeat_it() {
        let typed = "bookstore wallet top-up 20.00 --request-id r-1";

        let error = Failure::from(Status::cancelled("")).of_change(Some("r-1"), typed.to_owned()).to_json();

        let error = &error["error"];
        assert_eq!((&error["repeat_with"], &error["request_id"]), (&json!(typed), &json!("r-1")));
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("it may have happened"), "{message}");
    }

    #[test]
    fn what_is_missing_is_no_mistake_of_the_command_line() {
        assert_eq!(Failure::not_possible("you have no order yet").exit_code(), 1);
        assert_eq!(Failure::usage("`x` is no amount").exit_code(), 2);
    }

    #[test]
    fn who_is_registered_but_not_signed_in_is_told_both() {
        let cause = Failure::from(Status::unavailable("no database"));
        let failure = Failure::OnlyRegistered { email: "ada@example.com".to_owned(), cause: Box::new(cause) };

        let told = failure.to_string();

        let advice = "\n  you are registered; sign in with: bookstore login --email ada@example.com";
        assert!(told.ends_with(advice), "{told}");
        assert_eq!(failure.exit_code(), 3);
        assert_eq!(failure.to_json()["error"]["message"], told);
        assert_eq!(failure.to_json()["error"]["code"], "Unavailable");
    }

    #[test]
    fn a_shortage_is_told_by_the_name_that_the_user_gave() {
        let mut details = ErrorDetails::new();
        details.add_precondition_failure_violation("OUT_OF_STOCK", "ofr_1", "3 wanted, 2 available");
        let status =
            Status::with_error_details(Code::FailedPrecondition, "there are not enough copies", details);

        let failure = Failure::from(status).naming(HashMap::from([("ofr_1".to_owned(), "Dune".to_owned())]));

        assert_eq!(failure.exit_code(), 1);
        assert_eq!(failure.to_string(), "there are not enough copies\n  Dune: 3 wanted, 2 available");
        assert_eq!(failure.to_json()["error"]["violations"][0]["subject"], "ofr_1");
    }

    #[test]
    fn a_shop_without_an_answer_counts_as_not_reached() {
        assert_eq!(Failure::from(Status::unavailable("")).exit_code(), 4);
        assert_eq!(Failure::from(Status::not_found("no such order")).exit_code(), 1);
    }

    #[test]
    fn what_repeats_a_change_more_exactly_takes_the_place_of_what_was_typed() {
        let failure =
            Failure::from(Status::cancelled("")).of_change(Some("r-1"), "bookstore order place".to_owned());

        let text = failure.repeated_by("bookstore order place --request-id r-1".to_owned()).to_string();

        assert!(text.ends_with("repeat it with:\n  bookstore order place --request-id r-1"), "{text}");
    }
}
