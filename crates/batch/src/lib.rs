//! Group commit: many concurrent calls, one transaction.
//!
//! Callers [`submit`](Batcher::submit) items; one worker takes whatever has queued while its previous transaction was
//! under way and hands it to a [`Step`] as one batch. There is no timer, so a lone caller waits for nothing. A step may as
//! well be one call to another service for all who need it at the time.

mod metrics;
mod worker;

use std::{fmt, time::Duration};

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tracing::Span;

use crate::{metrics::Metrics, worker::Worker};

/// What is done to a batch: one transaction.
pub trait Step: Send + Sync + 'static {
    /// What one caller wants.
    type Item: Send + Sync + 'static;
    /// What one caller gets; a rule broken by an item is an outcome, not an error.
    type Outcome: Send + 'static;
    /// Why the transaction as a whole failed.
    type Error: Clone + Send + 'static;

    /// One transaction over all items, decided in their order; the outcomes in their order.
    ///
    /// An error, like a panic, means that nothing was written.
    fn run(
        &self,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, Self::Error>> + Send;

    /// Whether one item may be to blame.
    ///
    /// Then the batch is retried by halves until the culprit stands alone. Otherwise (the database is down) everybody
    /// who waits gets the error at once.
    fn may_blame_an_item(error: &Self::Error) -> bool;
}

/// How much a [`Batcher`] takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items in one transaction.
    pub max_batch: usize,
    /// Items waiting for the next one.
    pub max_queue: usize,
    /// After so long a batch no longer holds up those behind it: the next one begins beside it. For steps that ask
    /// another service, of which one replica may hang; transactions would fight over their locks.
    pub overtaken_after: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_batch: 128, max_queue: 4096, overtaken_after: None }
    }
}

/// Why an item has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError<E> {
    /// Too many are waiting already.
    #[error("the queue is full")]
    QueueFull,
    /// The worker is gone: the process is ending.
    #[error("the batcher has stopped")]
    Stopped,
    /// The step panicked over this item, or answered with another number of outcomes than it got items.
    #[error("the step broke down")]
    Broken,
    /// The transaction failed.
    #[error(transparent)]
    Failed(E),
}

/// A handle on one step's queue. The worker ends when the last handle is gone and the queue is drained.
pub struct Batcher<S: Step> {
    queue: mpsc::Sender<Job<S>>,
    metrics: Metrics,
}

impl<S: Step> Batcher<S> {
    /// Starts the worker of `step`.
    ///
    /// One worker a step: several would fight over row locks and split each other's batches.
    pub fn spawn(name: &'static str, step: S, limits: Limits) -> Self {
        let (queue, jobs) = mpsc::channel(limits.max_queue);
        let metrics = Metrics::of(name);
        tokio::spawn(Worker::new(name, step, limits, jobs, metrics.clone()).run());
        Self { queue, metrics }
    }

    /// Queues `item` and waits for its outcome.
    ///
    /// A caller that stops waiting before its batch begins is dropped from it; afterwards the batch runs to its end.
    pub async fn submit(&self, item: S::Item) -> Result<S::Outcome, SubmitError<S::Error>> {
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Job { item, caller: Caller { answer, span: Span::current() } }).map_err(
            |refused| match refused {
                TrySendError::Full(_) => SubmitError::QueueFull,
                TrySendError::Closed(_) => SubmitError::Stopped,
            },
        )?;
        self.metrics.queued();
        outcome.await.unwrap_or(Err(SubmitError::Stopped))
    }
}

impl<S: Step> Clone for Batcher<S> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), metrics: self.metrics.clone() }
    }
}

impl<S: Step> fmt::Debug for Batcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}

struct Job<S: Step> {
    item: S::Item,
    caller: Caller<S>,
}

struct Caller<S: Step> {
    answer: oneshot::Sender<Result<S::Outcome, SubmitError<S::Error>>>,
    span: Span,
}

impl<S: Step> Caller<S> {
    fn has_gone(&self) -> bool {
        self.answer.is_closed()
    }

    fn answer(self, outcome: Result<S::Outcome, SubmitError<S::Error>>) {
        // The caller's span must not outlast its call because of us.
        drop(self.span);
        // A caller that left during the transaction is no concern: what was committed stands.
        let _ = self.answer.send(outcome);
    }
}
