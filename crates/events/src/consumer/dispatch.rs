//! What is done with messages: together, alone, or given up. Nothing is let go of while a database is down.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sea_orm::{DatabaseConnection, TransactionTrait as _};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{ConsumerConfig, Held};
use crate::{
    Delivery, HandleError, Handler, answered, attempts, dead_letters, delivery::Undecodable, inbox, metrics,
};

/// Until what is held is tried again: the first time, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is handled at one go.
enum Work<E> {
    Together(Vec<Delivery<E>>),
    /// Delivered so often that it may be to blame for the end of a process: it takes no neighbour with it.
    Alone(Box<Delivery<E>>),
    Undecodable(Box<(Held, Undecodable)>),
}

impl<E> Work<E> {
    fn messages(&self) -> usize {
        match self {
            Self::Together(batch) => batch.len(),
            Self::Alone(_) | Self::Undecodable(_) => 1,
        }
    }
}

/// Hands messages to a [`Handler`] whose type is no matter any more.
pub(super) trait Dispatch: Send + Sync {
    /// When it returns the broker was told of each of `messages`, or will deliver it again.
    fn dispatch<'a>(&'a self, messages: Vec<Held>, stop: &'a CancellationToken) -> BoxFuture<'a, ()>;
}

/// Hands messages to `handler`.
pub(super) struct Dispatcher<H> {
    pub(super) handler: Arc<H>,
    pub(super) config: ConsumerConfig,
    pub(super) db: DatabaseConnection,
}

impl<H: Handler> Dispatch for Dispatcher<H> {
    fn dispatch<'a>(&'a self, messages: Vec<Held>, stop: &'a CancellationToken) -> BoxFuture<'a, ()> {
        Box::pin(self.work_off(messages, stop))
    }
}

impl<H: Handler> Dispatcher<H> {
    async fn work_off(&self, messages: Vec<Held>, stop: &CancellationToken) {
        let mut work = sort(messages);
        let mut pause = FIRST_PAUSE;
        while let Some(next) = work.pop_front() {
            let Some(rest) = self.attempt(next).await else {
                pause = FIRST_PAUSE;
                continue;
            };
            if pause == FIRST_PAUSE {
                let messages = rest.messages();
                tracing::warn!(consumer = H::DURABLE, messages, "messages are held: a dependency is down");
            }
            work.push_front(rest);
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = stop.cancelled() => break,
            }
        }
        for rest in work {
            self.give_back(rest).await;
        }
    }

    /// Leaves `work` to another replica.
    async fn give_back(&self, work: Work<H::Event>) {
        match work {
            Work::Together(batch) => {
                for delivery in batch {
                    delivery.held.give_back().await;
                }
            }
            Work::Alone(delivery) => {
                if delivery.is_noted
                    && let Err(error) =
                        answered(attempts::take_back(&self.db, H::DURABLE, delivery.id.uuid())).await
                {
                    tracing::warn!(%error, "an attempt that wasn't made stays noted");
                }
                delivery.held.give_back().await;
            }
            Work::Undecodable(message) => message.0.give_back().await,
        }
    }

    /// What is returned couldn't be handled for no fault of its own.
    async fn attempt(&self, work: Work<H::Event>) -> Option<Work<H::Event>> {
        match work {
            Work::Together(batch) => {
                let rest = self.handle(batch).await;
                (!rest.is_empty()).then_some(Work::Together(rest))
            }
            Work::Alone(delivery) => self.attempt_alone(*delivery).await,
            Work::Undecodable(message) => {
                let (held, error) = &*message;
                let id = held.headers().and_then(|headers| headers.get("ce-id"));
                let id = id.and_then(|id| id.as_str().parse().ok()).map(values::EventId::uuid);
                let id = id.unwrap_or_else(|| held.id_of_place());
                let reason = error.to_string();
                let buried = answered(self.bury(id, held, &reason, held.deliveries())).await;
                self.is_to_be_held(buried, held).await.then_some(Work::Undecodable(message))
            }
        }
    }

    async fn attempt_alone(&self, mut delivery: Delivery<H::Event>) -> Option<Work<H::Event>> {
        let id = delivery.id.uuid();
        if !delivery.is_noted {
            let noted = match fault::around(
                "attempts.note.commit",
                answered(attempts::note(&self.db, H::DURABLE, id)),
            )
            .await
            {
                Ok(noted) => noted,
                Err(error) => {
                    let hold = self.is_to_be_held(Err(error.into()), &delivery.held).await;
                    return hold.then(|| Work::Alone(Box::new(delivery)));
                }
            };
            if noted.attempts > attempts::LIMIT {
                let reason = noted.last_error.unwrap_or_else(|| "no attempt ended".to_owned());
                let tries = i64::from(noted.attempts - 1);
                let buried = answered(self.bury(id, &delivery.held, &reason, tries)).await;
                let hold = self.is_to_be_held(buried, &delivery.held).await;
                return hold.then(|| Work::Alone(Box::new(delivery)));
            }
            delivery.is_noted = true;
        }
        self.handle(vec![delivery]).await.pop().map(|delivery| Work::Alone(Box::new(delivery)))
    }

    /// Gives a message up for good, unless it has been handled: by another replica meanwhile, or by a release that could
    /// read it. A letter about it would invite to do it twice, once the inbox has forgotten it.
    async fn bury(
        &self,
        id: uuid::Uuid,
        held: &Held,
        reason: &str,
        attempts: i64,
    ) -> Result<(), HandleError> {
        let tx = self.db.begin().await?;
        let is_new = inbox::take_even_buried(&tx, H::DURABLE, id).await?;
        if is_new {
            dead_letters::bury(&tx, H::DURABLE, id, held, reason, attempts).await?;
            inbox::give_back(&tx, H::DURABLE, vec![id]).await?;
        }
        attempts::forget(&tx, H::DURABLE, id).await?;
        fault::around("dead_letters.bury.commit", tx.commit()).await?;
        held.acknowledge(H::DURABLE).await;
        let outcome = if is_new { "given up" } else { "repeated" };
        metrics::METRICS.handled.add(1, &metrics::outcome(H::DURABLE, outcome));
        Ok(())
    }

    /// Whether our own note about a message is to be written again soon. What can't be written for another reason than
    /// an outage must not hold up the others: the message comes again much later.
    async fn is_to_be_held(&self, noted: Result<(), HandleError>, held: &Held) -> bool {
        match noted {
            Ok(()) => false,
            Err(HandleError::Unavailable(_) | HandleError::Conflict(_)) => true,
            Err(HandleError::Failed(error)) => {
                tracing::error!(
                    consumer = H::DURABLE,
                    error,
                    "a message can be neither handled nor given up"
                );
                held.send_back(self.config.longest_delay).await;
                false
            }
        }
    }
}

/// First what is handled together, so that nothing else waits for what has failed before.
fn sort<E: crate::Event>(messages: Vec<Held>) -> VecDeque<Work<E>> {
    let mut together = Vec::with_capacity(messages.len());
    let mut others = VecDeque::new();
    for held in messages {
        match Delivery::read(held) {
            Ok(delivery) if delivery.held.deliveries() > attempts::NOTED_AFTER => {
                others.push_back(Work::Alone(Box::new(delivery)));
            }
            Ok(delivery) => together.push(delivery),
            Err(message) => others.push_back(Work::Undecodable(message)),
        }
    }
    if !together.is_empty() {
        others.push_front(Work::Together(together));
    }
    others
}
