use std::{future::Future, time::Duration};

use sea_orm::{DatabaseTransaction, DbErr};

use crate::{Delivery, Event, Failure, failure};

/// What became of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its effects are in the transaction, or it needed none.
    Done,
    /// What it refers to isn't known here yet: it comes back later. Nothing was written for it.
    TooEarly,
    /// It can never be handled, for this reason: a dead letter. Nothing was written for it.
    Reject(String),
}

/// Why a batch, or one of its messages, could not be handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Our own database or a service that we depend on is down: the messages are held and nothing is counted.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The database resolved a deadlock or a conflict against us: retried at once.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The batch failed: it is retried by halves, and counted for the message that is to blame.
    #[error("{0}")]
    Failed(String),
}

impl From<DbErr> for HandleError {
    fn from(error: DbErr) -> Self {
        let text = error.to_string();
        match failure(&error) {
            Failure::Down => Self::Unavailable(text),
            Failure::Conflict => Self::Conflict(text),
            Failure::Statement => Self::Failed(text),
        }
    }
}

/// What a consumer does with one kind of event.
///
/// Messages come in any order and more than once; of those that come again only ones that had no effect reach the
/// handler.
pub trait Handler: Send + Sync + 'static {
    /// The kind of event.
    type Event: Event;
    /// What calls to other services brought, per delivery; `()` where nobody is asked.
    type Prepared: Send + Sync + Default + 'static;
    /// Name of the durable consumer, `payment_order_placed`.
    const DURABLE: &'static str;
    /// How long the first message waits for others to share a transaction with: longer where nobody waits for what comes
    /// of it. As it is, it brings a fifth more throughput under load.
    const LINGER: Duration = Duration::from_millis(2);

    /// Calls other services, outside any transaction; one result a delivery, in their order.
    ///
    /// A delivery whose call had no answer gets an error for itself alone. A call belongs into its
    /// [`Delivery::span`].
    fn prepare(
        &self,
        batch: &[Delivery<Self::Event>],
    ) -> impl Future<Output = Vec<Result<Self::Prepared, HandleError>>> + Send {
        std::future::ready(batch.iter().map(|_| Ok(Self::Prepared::default())).collect())
    }

    /// Handles deliveries that are new, inside the transaction that notes them in the inbox; one verdict each.
    ///
    /// An error fails the transaction, which is then tried again by halves. Events that follow from a delivery are
    /// put [`within`](crate::outbox::Outgoing::within) its [`Delivery::span`].
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
