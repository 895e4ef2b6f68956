//! Why a call has no answer but a status.

use sea_orm::DbErr;
use server::status;
use tonic::Status;
use values::Violations;

/// Why a call has no answer but a status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields are malformed.
    #[error("malformed request: {0}")]
    Invalid(#[from] Violations),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => status::invalid(violations),
            Error::Database(error) => status::from_db(&error),
        }
    }
}
