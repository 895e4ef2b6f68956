//! Why a call has no answer but a status.

use sea_orm::DbErr;
use server::status;
use tonic::Status;
use values::Violations;

use crate::domain::wallet::Refusal;

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
    /// The wallet takes no money.
    #[error(transparent)]
    Wallet(#[from] Refusal),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => status::invalid(violations),
            Error::NoSuchPayment(name) => status::not_found("payment", name),
            Error::RequestIdReused => status::request_id_reused(),
            Error::Wallet(refusal) => {
                let reason = match refusal {
                    Refusal::Closed => "WALLET_CLOSED",
                    Refusal::Full => "WALLET_FULL",
                };
                status::precondition(reason, refusal.to_string(), vec![])
            }
            Error::Database(error) => status::from_db(&error),
        }
    }
}
