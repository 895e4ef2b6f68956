mod attach;
mod batch;
mod held;
mod process;
mod pull;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{
    Client,
    jetstream::{self, Context},
};
use sea_orm::DatabaseConnection;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{attach::find_stream, held::Held};
use self::{held::Session, pull::Puller};
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
/// How often old rows of the inbox are deleted.
const DELETE_EXPIRED: Duration = Duration::from_hours(1);
/// How many statements may do so before messages are handled again.
const DELETE_AT_ONCE: usize = 10;

/// Takes one kind of event from the broker and hands it to a [`Handler`], in every replica of a service.
pub struct Consumer<H> {
    handler: Arc<H>,
    config: ConsumerConfig,
    db: DatabaseConnection,
    nats: Client,
    jetstream: Context,
    reconnects: Reconnects,
}

impl<H: Handler> Consumer<H> {
    /// A consumer that does nothing until [`Self::run`].
    #[must_use]
    pub fn new(
        handler: Arc<H>,
        config: ConsumerConfig,
        db: DatabaseConnection,
        nats: Client,
        reconnects: Reconnects,
    ) -> Self {
        let jetstream = jetstream::new(nats.clone());
        Self { handler, config, db, nats, jetstream, reconnects }
    }

    /// Handles messages until `stop`; then ends after what it holds was handled or given back.
    pub async fn run(mut self, stop: CancellationToken) {
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
                Err(error) if is_told => tracing::debug!(consumer = H::DURABLE, %error, "cannot consume yet"),
                Err(error) => {
                    is_told = true;
                    tracing::warn!(consumer = H::DURABLE, %error, "cannot consume now");
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
                        tracing::info!(consumer = H::DURABLE, %reason, "asks anew");
                        return puller.into_waiting();
                    }
                    if !puller.is_live() {
                        return puller.into_waiting();
                    }
                }
            }
        }
    }

    /// Whether the durable consumer stands where it may.
    async fn is_sound(&self) -> bool {
        match attach::check(&self.jetstream, &self.config, H::DURABLE).await {
            Ok(Some(behind)) => {
                metrics::METRICS.behind.record(behind, &metrics::consumer(H::DURABLE));
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(consumer = H::DURABLE, %error, "cannot compare the consumer with its stream");
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
        let subject = <H::Event as Event>::SUBJECT;
        let consumer = attach::attach(&self.jetstream, &self.config, H::DURABLE, subject).await?;
        let Some(consumer) = consumer else { return Ok(None) };
        let waiting = std::mem::take(waiting);
        let max_batch = self.config.max_batch;
        Puller::new(&self.nats, &self.jetstream, consumer, session, max_batch, H::LINGER, waiting)
            .await
            .map(Some)
    }
}
