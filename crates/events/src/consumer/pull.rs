use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{
    Client, Message, StatusCode, Subject, Subscriber,
    jetstream::{
        self, Context,
        consumer::{PullConsumer, pull::BatchConfig},
    },
};
use futures::{FutureExt as _, StreamExt as _};
use tokio::time::{sleep, timeout};

use super::held::{Held, Session};

/// How long the broker keeps a request for messages open.
const EXPIRES: Duration = Duration::from_secs(10);
/// How often it shows a sign of life meanwhile, and how many of them may be missing.
const HEARTBEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(3);

/// How long the first message waits at least where the last batch had so many: with the load the transactions become
/// larger, not more.
const LINGER_UNDER_LOAD: Duration = Duration::from_millis(10);
const LOAD: usize = 8;

/// The durable consumer can't be asked any more: it or its stream is gone, or the broker says nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Detached(String);

/// Asks the broker for messages, so that there are some while those before are being handled.
pub(super) struct Puller {
    consumer: PullConsumer,
    jetstream: Context,
    subscriber: Subscriber,
    inbox: Subject,
    session: Arc<Session>,
    max_batch: usize,
    /// Messages that were asked for and didn't come yet.
    outstanding: usize,
    waiting: VecDeque<Held>,
    /// As long as the handler says.
    linger: Duration,
    is_under_load: bool,
}

impl Puller {
    /// `waiting` was pulled before and not handled yet.
    pub(super) async fn new(
        nats: &Client,
        jetstream: &Context,
        consumer: PullConsumer,
        session: Arc<Session>,
        max_batch: usize,
        linger: Duration,
        waiting: VecDeque<Held>,
    ) -> Result<Self, async_nats::Error> {
        let inbox = Subject::from(nats.new_inbox());
        let subscriber = nats.subscribe(inbox.clone()).await?;
        let jetstream = jetstream.clone();
        Ok(Self {
            consumer,
            jetstream,
            subscriber,
            inbox,
            session,
            max_batch,
            outstanding: 0,
            waiting,
            linger,
            is_under_load: false,
        })
    }

    /// Whatever waits, a batch at most; waits for the first. Dropping the future loses nothing.
    pub(super) async fn next_batch(&mut self) -> Result<Vec<Held>, Detached> {
        self.wait_for(1).await?;
        if self.waiting.len() < self.max_batch {
            let least = if self.is_under_load { LINGER_UNDER_LOAD } else { Duration::ZERO };
            sleep(self.linger.max(least)).await;
            self.take_arrived()?;
        }
        let size = self.waiting.len().min(self.max_batch);
        self.is_under_load = size >= LOAD;
        Ok(self.waiting.drain(..size).collect())
    }

    /// A whole batch, as soon as so many wait. Dropping the future loses nothing.
    pub(super) async fn full_batch(&mut self) -> Result<Vec<Held>, Detached> {
        self.wait_for(self.max_batch).await?;
        Ok(self.waiting.drain(..self.max_batch).collect())
    }

    /// Until so many wait here, a batch at most.
    async fn wait_for(&mut self, messages: usize) -> Result<(), Detached> {
        loop {
            self.take_arrived()?;
            if self.outstanding == 0 && self.waiting.len() < self.max_batch {
                self.ask().await?;
            }
            if self.waiting.len() >= messages {
                return Ok(());
            }
            let message = timeout(SILENCE, self.subscriber.next())
                .await
                .map_err(|_| Detached("the broker shows no sign of life".to_owned()))?
                .ok_or_else(|| Detached("the subscription has ended".to_owned()))?;
            self.accept(message)?;
        }
    }

    /// Whether the broker hears what becomes of messages.
    pub(super) fn is_live(&self) -> bool {
        self.session.is_live()
    }

    /// Tells the broker that what waits here isn't forgotten.
    pub(super) async fn keep_waiting(&mut self) {
        // What is wrong with the connection is found out when more is asked for.
        let _ = self.take_arrived();
        for held in &self.waiting {
            held.keep().await;
        }
    }

    /// Ends and leaves what waits to whoever pulls next.
    pub(super) fn into_waiting(mut self) -> VecDeque<Held> {
        let _ = self.take_arrived();
        self.waiting
    }

    /// Ends; what waits, or is on its way, goes to another replica.
    pub(super) async fn give_back(mut self) {
        if self.subscriber.drain().await.is_ok() {
            while let Ok(Some(message)) = timeout(SILENCE, self.subscriber.next()).await {
                let _ = self.accept(message);
            }
        }
        for held in &self.waiting {
            held.give_back().await;
        }
        self.session.flush().await;
    }

    async fn ask(&mut self) -> Result<(), Detached> {
        let request = BatchConfig {
            batch: self.max_batch,
            expires: Some(EXPIRES),
            idle_heartbeat: HEARTBEAT,
            ..BatchConfig::default()
        };
        self.consumer
            .request_batch(request, self.inbox.clone())
            .await
            .map_err(|error| Detached(error.to_string()))?;
        self.outstanding = self.max_batch;
        Ok(())
    }

    fn take_arrived(&mut self) -> Result<(), Detached> {
        while let Some(message) = self.subscriber.next().now_or_never() {
            let message = message.ok_or_else(|| Detached("the subscription has ended".to_owned()))?;
            self.accept(message)?;
        }
        Ok(())
    }

    fn accept(&mut self, message: Message) -> Result<(), Detached> {
        match message.status {
            None | Some(StatusCode::OK) => {
                self.outstanding = self.outstanding.saturating_sub(1);
                let message = jetstream::Message { context: self.jetstream.clone(), message };
                match Held::new(message, self.session.clone()) {
                    Ok(held) => self.waiting.push_back(held),
                    Err(error) => tracing::warn!(%error, "a message that is none of the stream's"),
                }
            }
            Some(StatusCode::IDLE_HEARTBEAT) => {}
            Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => self.outstanding = 0,
            Some(status) => {
                self.outstanding = 0;
                let reason = message.description.unwrap_or_default();
                return Err(Detached(format!("the broker answers {status} {reason}")));
            }
        }
        Ok(())
    }
}
