use std::future::Future;

use sea_orm::{DatabaseTransaction, DbErr};

use crate::{Delivery, Event};

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its effects are in the transaction, or it needed none.
    Done,
    /// What it refers to isn't known here yet: it comes back later.
    TooEarly,
    /// It can never be handled, for this reason: a dead letter.
    Reject(String),
}

/// Why a batch, or one of its messages, could not be handled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandleError {
    /// Our own database or a service that we depend on is down: the messages are held and nothing is counted.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The batch failed: it is retried by halves, and counted for the message to blame.
    #[error("{0}")]
    Failed(String),
    /// The database resolved a deadlock or a conflict against us: retried at once.
    #[error("conflict: {0}")]
    Conflict(String),
}

impl From<DbErr> for HandleError {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a consumer does with one kind of event.
pub trait Handler: Send + Sync + 'static {
    /// The kind of event.
    type Event: Event;
    /// What calls to other services brought, per delivery; `()` where nobody is asked.
    type Prepared: Send + Sync + Default + 'static;
    /// Name of the durable consumer, `payment_order_placed`.
    const DURABLE: &'static str;

    /// Calls other services, outside any transaction; one result a delivery, in their order.
    ///
    /// A delivery whose call had no answer gets an error for itself alone.
    fn prepare(
        &self,
        batch: &[Delivery<Self::Event>],
    ) -> impl Future<Output = Vec<Result<Self::Prepared, HandleError>>> + Send {
        std::future::ready(batch.iter().map(|_| Ok(Self::Prepared::default())).collect())
    }

    /// Handles deliveries that are new, inside the transaction that notes them in the inbox; one verdict each.
    fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<Self::Event>, Self::Prepared)],
    ) -> impl Future<Output = Result<Vec<Verdict>, HandleError>> + Send;

    /// Called after the commit with what was [`Verdict::Done`], to wake the relay or watchers.
    fn committed(&self, batch: &[(Delivery<Self::Event>, Self::Prepared)]) {
        let _ = batch;
    }
}
