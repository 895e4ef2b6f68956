use std::time::Duration;

use auth::{Permission, SealError};
use sea_orm::{DbErr, SqlErr};
use server::{database::is_down, status};
use tonic::Status;
use values::{AddressId, UserId, Violations};

use crate::passwords::HashError;
use crate::refresh::NoRandomness;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Everything that keeps an RPC of this service from its answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Invalid(#[from] Violations),
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error("the user whom the request made was deleted")]
    RegisteredAndDeleted,
    #[error("the request_id was used for another request")]
    RequestIdReused,
    #[error("it has changed since the etag was read")]
    EtagMismatch,
    #[error("the current password is missing or wrong")]
    WrongPassword,
    #[error("the caller is gone")]
    CallerGone,
    #[error("wrong e-mail address or password")]
    WrongCredentials,
    #[error("no refresh token of a session")]
    RefreshTokenInvalid,
    #[error("the refresh token has expired")]
    RefreshTokenExpired,
    #[error("the refresh token was used before")]
    RefreshTokenReused,
    #[error("the session has ended")]
    SessionEnded,
    #[error("the keys to verify access tokens with are unavailable")]
    KeysUnavailable,
    #[error("another signing key is configured elsewhere, and in force")]
    NoSigningKey,
    #[error("no such {kind}")]
    NotFound { kind: &'static str, id: String },
    #[error("the user has no role that allows {0}")]
    MayNot(Permission),
    #[error("the last admin stays")]
    LastAdmin,
    #[error(transparent)]
    Hashing(#[from] HashError),
    #[error(transparent)]
    Signing(#[from] auth::IssueError),
    #[error(transparent)]
    Sealing(#[from] SealError),
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    #[error(transparent)]
    Event(#[from] ::events::outbox::TooLarge),
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl Error {
    /// There is no such user for the caller.
    pub(crate) fn user_not_found(user: UserId) -> Self {
        Self::NotFound { kind: "user", id: user.to_string() }
    }

    /// There is no such address for the caller.
    pub(crate) fn address_not_found(address: AddressId) -> Self {
        Self::NotFound { kind: "address", id: address.to_string() }
    }

    /// The same may succeed later.
    pub(crate) fn is_database_down(&self) -> bool {
        matches!(self, Self::Database(error) if is_down(error))
    }
}

/// As long as a full queue of passwords takes to be hashed.
const QUEUE_DRAINED: Duration = Duration::from_secs(1);
/// When to come back while tokens can't be verified.
const KEYS_MISSING: Duration = Duration::from_secs(1);

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => status::invalid(violations),
            Error::EmailTaken => status::already_exists("EMAIL_TAKEN", "the e-mail address is taken"),
            Error::RegisteredAndDeleted => {
                let why = "made a user who was deleted since; another one registers anew".to_owned();
                let violations = vec![("request_id".to_owned(), why)];
                status::precondition(
                    "USER_DELETED",
                    "the user whom this request made was deleted",
                    violations,
                )
            }
            Error::RequestIdReused => status::request_id_reused(),
            Error::EtagMismatch => status::etag_mismatch(),
            Error::WrongPassword => {
                let why = "must be the password that is in force".to_owned();
                let violations = vec![("current_password".to_owned(), why)];
                status::precondition("WRONG_PASSWORD", "the current password is wrong", violations)
            }
            Error::WrongCredentials => status::unauthenticated("WRONG_CREDENTIALS"),
            Error::RefreshTokenInvalid => status::unauthenticated("REFRESH_TOKEN_INVALID"),
            Error::RefreshTokenExpired => status::unauthenticated("REFRESH_TOKEN_EXPIRED"),
            Error::RefreshTokenReused => status::unauthenticated("REFRESH_TOKEN_REUSED"),
            Error::SessionEnded => status::unauthenticated("SESSION_REVOKED"),
            Error::KeysUnavailable => status::unavailable(KEYS_MISSING),
            Error::NoSigningKey => {
                tracing::error!("replicas with different BOOKSTORE_SIGNING_KEYs take turns");
                status::unavailable(KEYS_MISSING)
            }
            Error::NotFound { kind, id } => status::not_found(kind, id),
            Error::MayNot(permission) => status::permission_missing(permission),
            Error::LastAdmin => {
                let why = "somebody else must be given the role first".to_owned();
                status::precondition("LAST_ADMIN", "the last admin stays", vec![("role".to_owned(), why)])
            }
            Error::Hashing(HashError::Busy) => {
                status::exhausted("TOO_MANY_SIGN_INS", "too many sign-ins at once", QUEUE_DRAINED)
            }
            Error::Hashing(HashError::UserBusy) => {
                let message = "too many of your calls wait for a password to be checked";
                status::exhausted("TOO_MANY_PASSWORD_CHECKS", message, QUEUE_DRAINED)
            }
            // The user was deleted a moment ago, or an earlier state of the database was restored.
            Error::CallerGone => status::unauthenticated("USER_UNKNOWN"),
            Error::Database(error) if is_user_missing(&error) => status::unauthenticated("USER_UNKNOWN"),
            Error::Database(error) => status::from_db(&error),
            Error::Hashing(HashError::Argon2(_) | HashError::Stored(_) | HashError::Panicked(_))
            | Error::Signing(_)
            | Error::Sealing(_)
            | Error::Randomness(_)
            | Error::Event(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a defect");
                status::internal()
            }
        }
    }
}

/// A call can break no other foreign key than those to its own caller: others that it names are locked before.
fn is_user_missing(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
}
