use std::time::Duration;

use batch::SubmitError;
use sea_orm::DbErr;
use server::status;
use tonic::Status;
use values::Violations;

use crate::{
    domain::{BelowReserved, Refusal, Refused},
    steps::StepError,
    store::members::Work,
};

/// Why a call has no answer but a status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields are malformed.
    #[error("malformed request: {0}")]
    Invalid(#[from] Violations),
    /// What the request names doesn't exist.
    #[error("there is no such {kind}")]
    NotFound {
        /// What kind of thing.
        kind: &'static str,
        /// Its name in the request.
        name: String,
    },
    /// The caller may not do this work in the shop.
    #[error("the shop is not the caller's")]
    NotTheirs(Work),
    /// Nobody would own the shop.
    #[error("the last owner stays")]
    LastOwner,
    /// It has changed since it was read.
    #[error("it has changed since the etag was read")]
    EtagMismatch,
    /// What is asked for meets others who change the same, again and again.
    #[error("too many change the same books")]
    Busy,
    /// The caller's stream ended before its time.
    #[error("the stream broke off")]
    Broken(Status),
    /// The `request_id` has made something out of another request.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// The shop offers the edition already.
    #[error("the shop offers this edition already")]
    AlreadyOffered,
    /// The caller may not say this of the book.
    #[error(transparent)]
    Facts(#[from] Refused),
    /// Another edition has the ISBN.
    #[error("another edition has this ISBN")]
    IsbnTaken,
    /// Less would be left than is reserved.
    #[error(transparent)]
    BelowReserved(#[from] BelowReserved),
    /// Nothing was set aside.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A group commit did not take it or did not succeed.
    #[error(transparent)]
    Batch(#[from] SubmitError<StepError>),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// An event does not fit the broker.
    #[error(transparent)]
    Event(#[from] events::outbox::TooLarge),
}

impl Error {
    /// There is no thing of this `kind` and `name`.
    pub(crate) fn not_found(kind: &'static str, name: &impl ToString) -> Self {
        Self::NotFound { kind, name: name.to_string() }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => status::invalid(violations),
            Error::NotFound { kind, name } => status::not_found(kind, name),
            Error::NotTheirs(Work::Owner) => {
                status::permission_denied("NOT_THE_OWNER", "only an owner of the shop may do this")
            }
            Error::NotTheirs(Work::Books) => {
                status::permission_denied("NOT_THE_OWNER", "only those who work in the shop may do this")
            }
            Error::LastOwner => {
                let why = "a shop has an owner".to_owned();
                status::precondition("LAST_OWNER", "the last owner stays", vec![("role".to_owned(), why)])
            }
            Error::EtagMismatch => status::etag_mismatch(),
            Error::Broken(status) => status,
            Error::RequestIdReused => status::request_id_reused(),
            Error::AlreadyOffered => {
                status::already_exists("OFFER_EXISTS", "the shop offers this edition already")
            }
            Error::Facts(Refused::OfferedByOthers(fields)) => status::precondition(
                "OFFERED_BY_OTHERS",
                "other shops offer the book too",
                fields
                    .into_iter()
                    .map(|field| (field.to_owned(), "is known, and other shops sell by it".to_owned()))
                    .collect(),
            ),
            Error::Facts(Refused::IsbnIsKnown) => status::precondition(
                "ISBN_KNOWN",
                "another ISBN is another edition",
                vec![("isbn".to_owned(), "is known".to_owned())],
            ),
            Error::IsbnTaken => status::already_exists("ISBN_TAKEN", "another edition has this ISBN"),
            Error::BelowReserved(below) => status::precondition(
                "BELOW_RESERVED",
                "less would be left than is reserved for orders",
                vec![("on_hand".to_owned(), below.to_string())],
            ),
            Error::Refused(refusal) => refused(refusal),
            Error::Batch(SubmitError::QueueFull) => status::exhausted(
                "QUEUE_FULL",
                "too many reservations are waiting",
                Duration::from_millis(100),
            ),
            Error::Busy | Error::Batch(SubmitError::Stopped) => status::unavailable(Duration::from_secs(1)),
            // The worker has logged the panic.
            Error::Batch(SubmitError::Broken) => status::internal(),
            Error::Batch(SubmitError::Failed(StepError(error))) => status::from_db(&error),
            Error::Database(error) => status::from_db(&error),
            Error::Event(error) => {
                tracing::error!(%error, "an event is too large");
                status::internal()
            }
        }
    }
}

fn refused(refusal: Refusal) -> Status {
    match refusal {
        Refusal::UnknownOffers(offers) => {
            let names: Vec<_> = offers.iter().map(ToString::to_string).collect();
            status::not_found("offer", names.join(", "))
        }
        Refusal::SeveralCurrencies(lines) => status::precondition(
            "SEVERAL_CURRENCIES",
            "an order has one currency",
            lines
                .into_iter()
                .map(|(offer, currency)| (offer.to_string(), format!("costs {currency}")))
                .collect(),
        ),
        Refusal::OutOfStock(lines) => status::precondition(
            "OUT_OF_STOCK",
            "there are not enough copies",
            lines
                .into_iter()
                .map(|line| {
                    let missing = format!("{} wanted, {} available", line.wanted, line.available);
                    (line.offer.to_string(), missing)
                })
                .collect(),
        ),
        Refusal::KeyReused => {
            status::already_exists("RESERVATION_KEY_REUSED", "the key has a reservation of other lines")
        }
    }
}
