use std::{marker::PhantomData, sync::Arc, time::Duration};

use events::{Delivery, Event, HandleError, Handler, Verdict};
use sea_orm::DatabaseTransaction;
use tokio::sync::Notify;
use values::UserId;

use crate::{
    domain::news::News,
    first_start::FirstStart,
    store::deliveries::{self, NewDelivery},
};

/// An event that somebody is told of.
pub(crate) trait Newsworthy: Event {
    /// The stream that it travels in.
    const STREAM: &'static str;
    /// The durable consumer that takes it.
    const DURABLE: &'static str;

    /// Who is told what about what (`ord_…`); nobody if the event doesn't say who.
    ///
    /// # Errors
    /// No release will ever make sense of it.
    fn news(&self) -> Result<Option<(UserId, String, News)>, String>;
}

/// Writes down what is to be told, once an event. Sending it is another matter: a slow mail server holds up no events.
pub(crate) struct Tell<E> {
    first_start: FirstStart,
    /// Told when there is something to send.
    wake: Arc<Notify>,
    event: PhantomData<fn(E)>,
}

impl<E> Tell<E> {
    pub(crate) fn new(first_start: FirstStart, wake: Arc<Notify>) -> Self {
        Self { first_start, wake, event: PhantomData }
    }
}

impl<E: Newsworthy> Handler for Tell<E> {
    type Event = E;
    /// Whether it happened before the service's first start.
    type Prepared = bool;
    const DURABLE: &'static str = E::DURABLE;
    /// Letters travel for seconds, and orders and payments go on without them.
    const LINGER: Duration = Duration::from_millis(50);

    async fn prepare(&self, batch: &[Delivery<E>]) -> Vec<Result<bool, HandleError>> {
        let places: Vec<Option<u64>> = batch.iter().map(Delivery::stream_sequence).collect();
        match self.first_start.precede(E::STREAM, &places).await {
            Ok(before) => before.into_iter().map(Ok).collect(),
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<E>, bool)],
    ) -> Result<Vec<Verdict>, HandleError> {
        let mut new = Vec::with_capacity(batch.len());
        let mut verdicts = Vec::with_capacity(batch.len());
        for (delivery, is_before) in batch {
            let news = if *is_before { Ok(None) } else { delivery.event.news() };
            verdicts.push(match news {
                Ok(None) => Verdict::Done,
                Ok(Some((user, aggregate_id, news))) => {
                    new.push(NewDelivery {
                        event: delivery.id,
                        subject: E::SUBJECT,
                        user,
                        aggregate_id,
                        news,
                        traceparent: telemetry::propagation::traceparent_of(delivery.span()),
                    });
                    Verdict::Done
                }
                Err(reason) => Verdict::Reject(reason),
            });
        }
        if !new.is_empty() {
            deliveries::insert(tx, &new).await?;
        }
        Ok(verdicts)
    }

    fn committed(&self, _: &[(Delivery<E>, bool)]) {
        self.wake.notify_one();
    }
}
