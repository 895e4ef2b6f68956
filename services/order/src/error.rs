use std::{sync::Arc, time::Duration};

use batch::SubmitError;
use events::outbox::TooLarge;
use sea_orm::DbErr;
use server::status;
use tonic::Status;
use values::Violations;

use crate::{
    clients::CallError,
    domain::{ReturnError, TotalError},
    settle::SettleError,
};

/// Why a call has no answer but a status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Fields are malformed.
    #[error("malformed request: {0}")]
    Invalid(#[from] Violations),
    /// The caller has no such order.
    #[error("the caller has no such order")]
    NoSuchOrder(String),
    /// The caller has no address to send to.
    #[error("the caller has no default address")]
    NoDefaultAddress,
    /// The caller may not look into the shop, or there is none.
    #[error("there is no such shop for the caller")]
    NoSuchShop(String),
    /// A shipment does not go there from where it stands.
    #[error("the shipment is {0}")]
    ShipmentStep(&'static str),
    /// The order does not go there from where it stands.
    #[error("the order is {0}")]
    OrderStep(&'static str),
    /// There is no such return for the caller.
    #[error("there is no such return for the caller")]
    NoSuchReturn(String),
    /// The order has not arrived, or has gone back.
    #[error("nothing of the order can be returned while it is {0}")]
    NotReturnable(&'static str),
    /// The books cannot be returned.
    #[error(transparent)]
    Return(#[from] ReturnError),
    /// The shop has said something else before.
    #[error("the return is {0}")]
    ReturnResolved(&'static str),
    /// The `request_id` was used for another request.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// The request's reservation has ended, without an order.
    #[error("the reservation of the request has ended")]
    ReservationClosed,
    /// The lines have no total.
    #[error(transparent)]
    Total(#[from] TotalError),
    /// The order has ended.
    #[error("the order cannot be cancelled any more")]
    NotCancellable,
    /// Another service did not give what was needed.
    #[error(transparent)]
    Call(CallError),
    /// Too many wait for another service, or this one is ending.
    #[error("the question to another service was not asked")]
    NotAsked(SubmitError<CallError>),
    /// The group commit did not take it or did not succeed.
    #[error(transparent)]
    Batch(#[from] SubmitError<BatchError>),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// An event does not fit the broker.
    #[error(transparent)]
    Event(#[from] TooLarge),
}

impl From<SubmitError<CallError>> for Error {
    fn from(error: SubmitError<CallError>) -> Self {
        match error {
            SubmitError::Failed(error) => error.into(),
            error => Self::NotAsked(error),
        }
    }
}

/// The transaction of a whole batch failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct BatchError(Arc<DbErr>);

impl BatchError {
    /// Whether one order may be to blame: not for a database that is down.
    pub(crate) fn may_blame_an_item(&self) -> bool {
        !server::database::is_down(&self.0)
    }
}

impl From<DbErr> for BatchError {
    fn from(error: DbErr) -> Self {
        Self(Arc::new(error))
    }
}

impl From<SettleError> for Error {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Database(error) => Self::Database(error),
            SettleError::Event(error) => Self::Event(error),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(violations) => status::invalid(violations),
            Error::NoSuchOrder(id) => status::not_found("order", id),
            Error::NoDefaultAddress => status::not_found("address", ""),
            Error::NoSuchShop(id) => status::not_found("shop", id),
            Error::ShipmentStep(state) => status::precondition(
                "SHIPMENT_STEP_ILLEGAL",
                "the shipment does not go there from where it stands",
                vec![("state".to_owned(), format!("it is {state}"))],
            ),
            Error::OrderStep(state) => status::precondition(
                "ORDER_STEP_ILLEGAL",
                "the order does not go there from where it stands",
                vec![("order_id".to_owned(), format!("it is {state}"))],
            ),
            Error::NoSuchReturn(id) => status::not_found("return", id),
            Error::NotReturnable(state) => status::precondition(
                "ORDER_NOT_DELIVERED",
                "only what has been delivered can be returned",
                vec![("order_id".to_owned(), format!("it is {state}"))],
            ),
            Error::Return(error) => refused_return(&error),
            Error::ReturnResolved(state) => status::precondition(
                "RETURN_RESOLVED",
                "the return has been resolved the other way",
                vec![("return_id".to_owned(), format!("it is {state}"))],
            ),
            Error::RequestIdReused => status::request_id_reused(),
            Error::ReservationClosed => status::precondition(
                "RESERVATION_CLOSED",
                "the stock of this request was given back: order again with a new request_id",
                vec![("request_id".to_owned(), "its reservation has ended".to_owned())],
            ),
            Error::Total(error) => no_total(error),
            Error::NotCancellable => status::precondition(
                "ORDER_NOT_CANCELLABLE",
                "the order cannot be cancelled any more",
                vec![("order_id".to_owned(), "it has been cancelled or sent before".to_owned())],
            ),
            Error::Call(error) | Error::NotAsked(SubmitError::Failed(error)) => error.into(),
            Error::Batch(SubmitError::QueueFull) | Error::NotAsked(SubmitError::QueueFull) => {
                status::exhausted("QUEUE_FULL", "too many orders are waiting", Duration::from_millis(100))
            }
            Error::Batch(SubmitError::Stopped) | Error::NotAsked(SubmitError::Stopped) => {
                status::unavailable(Duration::from_secs(1))
            }
            // The worker has told what happened.
            Error::Batch(SubmitError::Broken) | Error::NotAsked(SubmitError::Broken) => status::internal(),
            Error::Batch(SubmitError::Failed(BatchError(error))) => status::from_db(&error),
            Error::Database(error) => status::from_db(&error),
            Error::Event(error) => {
                tracing::error!(%error, "an event is too large");
                status::internal()
            }
        }
    }
}

fn no_total(error: TotalError) -> Status {
    let reason = match error {
        TotalError::SeveralCurrencies => "SEVERAL_CURRENCIES",
        TotalError::NoLines | TotalError::TooLarge => "NO_TOTAL",
    };
    status::precondition(reason, error.to_string(), vec![])
}

fn refused_return(error: &ReturnError) -> Status {
    let subject = match error {
        ReturnError::NothingLeft => "order_id".to_owned(),
        ReturnError::TooMany { offer, .. } => offer.to_string(),
        ReturnError::Total(error) => return no_total(*error),
    };
    let message = "more copies than are left to return";
    status::precondition("NOT_LEFT_TO_RETURN", message, vec![(subject, error.to_string())])
}
