mod attach;
mod batch;
mod dispatch;
mod held;
mod pull;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{
    Client,
    jetstream::{self, Context},
};
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use sea_orm::DatabaseConnection;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{attach::find_stream, held::Held};
use self::{
    dispatch::{Dispatch, Dispatcher},
    held::Session,
    pull::{Detached, Puller},
};
use crate::{Event, Handler, Reconnects, answered, connection::is_connected, inbox, metrics};

/// How a consumer takes its messages.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The stream, `ORDER`.
    pub stream: &'static str,
    /// How many messages are handled in one transaction at most.
    pub max_batch: usize,
    /// After how long without a sign of life the broker delivers a message again.
    pub ack_wait: Duration,
    /// After how long a message that failed or came too early comes again; doubled each time.
    pub first_delay: Duration,
    /// The longest of these delays.
    pub longest_delay: Duration,
    /// How often the consumer is compared with its stream.
    pub check: Duration,
}

impl ConsumerConfig {
    /// The usual limits for the consumers of `stream`.
    #[must_use]
    pub fn new(stream: &'static str) -> Self {
        Self {
            stream,
            max_batch: 128,
            // What a dead replica held is another's soon: within half a minute of any fault all is settled. Who lives gives
            // a sign of it three times as often.
            ack_wait: fault::ack_wait(Duration::from_secs(10)),
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_mins(1),
            check: Duration::from_secs(10),
        }
    }

    /// After how long a message comes again that was delivered so often.
    fn delay(&self, deliveries: i64) -> Duration {
        let doublings = u32::try_from(deliveries - 1).unwrap_or_default().min(16);
        self.first_delay.saturating_mul(1 << doublings).min(self.longest_delay)
    }
}

/// Until the broker is asked again for what it doesn't have yet.
const RETRY: Duration = Duration::from_millis(500);
/// How many batches are handled at once: while one is in its transaction, the other makes its calls. Only a full one
/// begins beside another, so that transactions become larger with the load before they become more.
const SIDE_BY_SIDE: usize = 2;
/// How often old rows of the inbox are deleted.
const DELETE_EXPIRED: Duration = Duration::from_hours(1);
/// How many statements may do so before messages are handled again.
const DELETE_AT_ONCE: usize = 10;

/// Takes one kind of event from the broker and hands it to a [`Handler`], in every replica of a service.
pub struct Consumer {
    kind: Kind,
    dispatcher: Box<dyn Dispatch>,
    config: ConsumerConfig,
    db: DatabaseConnection,
    nats: Client,
    jetstream: Context,
    reconnects: Reconnects,
}

/// What a [`Handler`] says of itself.
#[derive(Clone, Copy)]
struct Kind {
    durable: &'static str,
    subject: &'static str,
    linger: Duration,
}

impl Consumer {
    /// A consumer that does nothing until [`Self::run`].
    #[must_use]
    pub fn new<H: Handler>(
        handler: Arc<H>,
        config: ConsumerConfig,
        db: DatabaseConnection,
        nats: Client,
        reconnects: Reconnects,
    ) -> Self {
        let kind = Kind { durable: H::DURABLE, subject: <H::Event as Event>::SUBJECT, linger: H::LINGER };
        let dispatcher = Box::new(Dispatcher { handler, config: config.clone(), db: db.clone() });
        let jetstream = jetstream::new(nats.clone());
        Self { kind, dispatcher, config, db, nats, jetstream, reconnects }
    }

    /// Handles messages until `stop`; then ends after what it holds was handled or given back.
    #[must_use]
    pub fn run(self, stop: CancellationToken) -> BoxFuture<'static, ()> {
        // Boxed, so that it is compiled in this crate and not in each that runs one.
        Box::pin(self.consume_until(stop))
    }

    async fn consume_until(mut self, stop: CancellationToken) {
        let mut waiting = VecDeque::new();
        let mut is_told = false;
        while !stop.is_cancelled() {
            self.reconnects.seen();
            let session = Arc::new(Session::new(&self.nats, &self.reconnects));
            match self.attach(session.clone(), &mut waiting).await {
                Ok(Some(puller)) => {
                    is_told = false;
                    waiting = self.consume(puller, &stop).await;
                    session.end();
                    if !session.is_connected() {
                        continue;
                    }
                }
                Ok(None) => {}
                Err(error) if is_told => {
                    tracing::debug!(consumer = self.kind.durable, %error, "cannot consume yet");
                }
                Err(error) => {
                    is_told = true;
                    tracing::warn!(consumer = self.kind.durable, %error, "cannot consume now");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.reconnects.changed() => {}
                () = sleep(RETRY) => {}
            }
        }
    }

    /// Until the connection, the consumer or the stream changes: then what waits is returned.
    async fn consume(&mut self, mut puller: Puller, stop: &CancellationToken) -> VecDeque<Held> {
        let mut check = interval(self.config.check);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deleted: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    puller.give_back().await;
                    return VecDeque::new();
                }
                () = self.reconnects.changed() => return puller.into_waiting(),
                _ = check.tick() => {
                    if !self.is_sound().await {
                        return puller.into_waiting();
                    }
                    if deleted.is_none_or(|last| last.elapsed() >= DELETE_EXPIRED) {
                        deleted = self.delete_expired().await.then(Instant::now);
                    }
                }
                batch = puller.next_batch() => {
                    let processed = match batch {
                        Ok(batch) => self.process(batch, &mut puller, stop).await,
                        Err(detached) => Err(detached),
                    };
                    if let Err(reason) = processed {
                        tracing::info!(consumer = self.kind.durable, %reason, "asks anew");
                        return puller.into_waiting();
                    }
                    if !puller.is_live() {
                        return puller.into_waiting();
                    }
                }
            }
        }
    }

    /// Handles `messages`, and beside them what fills another batch meanwhile; when it returns the broker was told of
    /// each, or will deliver it again.
    async fn process(
        &self,
        messages: Vec<Held>,
        puller: &mut Puller,
        stop: &CancellationToken,
    ) -> Result<(), Detached> {
        let third = self.config.ack_wait / 3;
        let mut keep = interval_at(Instant::now() + third, third);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batches = FuturesUnordered::from_iter([self.handle_kept(messages, stop)]);
        let mut outcome = Ok(());
        // Then the consumer is compared with its stream.
        let until = Instant::now() + self.config.check;
        loop {
            let goes_on =
                outcome.is_ok() && !stop.is_cancelled() && puller.is_live() && Instant::now() < until;
            tokio::select! {
                handled = batches.next() => if handled.is_none() {
                    return outcome;
                },
                batch = puller.full_batch(), if goes_on && batches.len() < SIDE_BY_SIDE => match batch {
                    Ok(batch) => batches.push(self.handle_kept(batch, stop)),
                    Err(error) => outcome = Err(error),
                },
                _ = keep.tick() => puller.keep_waiting().await,
            }
        }
    }

    /// Handles `messages`, and tells the broker meanwhile that they are not forgotten.
    async fn handle_kept(&self, messages: Vec<Held>, stop: &CancellationToken) {
        let held = messages.clone();
        let mut work = self.dispatcher.dispatch(messages, stop);
        let third = self.config.ack_wait / 3;
        let mut keep = interval_at(Instant::now() + third, third);
        keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut work => return,
                _ = keep.tick() => {
                    for message in &held {
                        // Of no effect for those that the broker has heard of.
                        message.keep().await;
                    }
                }
            }
        }
    }

    /// Whether the durable consumer stands where it may.
    async fn is_sound(&self) -> bool {
        match attach::check(&self.jetstream, &self.config, self.kind.durable).await {
            Ok(Some(behind)) => {
                metrics::METRICS.behind.record(behind, &metrics::consumer(self.kind.durable));
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(consumer = self.kind.durable, %error, "cannot compare the consumer with its stream");
                false
            }
        }
    }

    /// Whether nothing is left to delete.
    async fn delete_expired(&self) -> bool {
        for _ in 0..DELETE_AT_ONCE {
            match fault::around("inbox.forget.commit", answered(inbox::delete_expired(&self.db))).await {
                Ok(true) => {}
                Ok(false) => return true,
                Err(error) => {
                    tracing::warn!(%error, "old rows of the inbox couldn't be deleted");
                    return false;
                }
            }
        }
        false
    }

    /// `None` while there is no broker or no stream.
    async fn attach(
        &self,
        session: Arc<Session>,
        waiting: &mut VecDeque<Held>,
    ) -> Result<Option<Puller>, async_nats::Error> {
        if !is_connected(&self.nats) {
            return Ok(None);
        }
        let Kind { durable, subject, linger } = self.kind;
        let consumer = attach::attach(&self.jetstream, &self.config, durable, subject).await?;
        let Some(consumer) = consumer else { return Ok(None) };
        let waiting = std::mem::take(waiting);
        let max_batch = self.config.max_batch;
        Puller::new(&self.nats, &self.jetstream, consumer, session, max_batch, linger, waiting)
            .await
            .map(Some)
    }
}
