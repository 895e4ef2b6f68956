//! Why a call has no answer but a status.

use std::time::Duration;

use sea_orm::DbErr;
use server::status;
use tonic::Status;
use values::Violations;

use values::CardId;

use crate::domain::{card_charge::Refusal, refund::Refused};

/// When to ask again what the card gateway has not said yet.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Why a call has no answer but a status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields are malformed.
    #[error("malformed request: {0}")]
    Invalid(#[from] Violations),
    /// The caller has no such payment.
    #[error("there is no payment {0} of the caller's")]
    NoSuchPayment(String),
    /// The `request_id` has topped up with another request.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// The caller has no such card.
    #[error("there is no card {0} of the caller's")]
    NoSuchCard(String),
    /// The caller has no card at all.
    #[error("there is no card to charge")]
    NoCard,
    /// A card or a wallet refuses the money.
    #[error(transparent)]
    Refused(Refusal),
    /// So much can't be given back.
    #[error(transparent)]
    NotRefunded(#[from] Refused),
    /// The card gateway may say later.
    #[error("the card gateway says nothing yet")]
    GatewaySilent,
    /// The database.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl Error {
    /// The card that was asked for isn't there; nothing asks for the newest.
    pub(crate) fn no_card(asked: Option<CardId>) -> Self {
        asked.map_or(Self::NoCard, |card| Self::NoSuchCard(card.to_string()))
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => status::invalid(violations),
            Error::NoSuchPayment(name) => status::not_found("payment", name),
            Error::RequestIdReused => status::request_id_reused(),
            Error::NoSuchCard(id) => status::not_found("card", id),
            Error::NoCard => status::precondition("CARD_MISSING", error.to_string(), vec![]),
            Error::Refused(refusal) => status::precondition(refusal.name(), refusal.to_string(), vec![]),
            Error::NotRefunded(refused) => {
                let reason = match refused {
                    Refused::NothingCaptured => "NOTHING_CAPTURED",
                    Refused::TooMuch => "REFUND_TOO_LARGE",
                };
                status::precondition(reason, refused.to_string(), vec![])
            }
            Error::GatewaySilent => status::unavailable(ASK_AGAIN),
            Error::Database(error) => status::from_db(&error),
        }
    }
}
