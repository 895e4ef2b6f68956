use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;

use crate::{Handler, Reconnects};

/// How a consumer takes its messages.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The stream, `ORDER`.
    pub stream: &'static str,
    /// How many messages are handled in one transaction at most.
    pub max_batch: usize,
    /// After how long without a sign of life the broker delivers a message again.
    pub ack_wait: Duration,
}

impl ConsumerConfig {
    /// The usual limits for the consumers of `stream`.
    #[must_use]
    pub const fn new(stream: &'static str) -> Self {
        Self { stream, max_batch: 128, ack_wait: Duration::from_secs(30) }
    }
}

/// Takes one kind of event from the broker and hands it to a [`Handler`], in every replica of a service.
pub struct Consumer<H> {
    handler: H,
    config: ConsumerConfig,
    db: DatabaseConnection,
    nats: async_nats::Client,
    reconnects: Reconnects,
}

impl<H: Handler> Consumer<H> {
    /// A consumer that does nothing until [`Self::run`].
    #[must_use]
    pub const fn new(
        handler: H,
        config: ConsumerConfig,
        db: DatabaseConnection,
        nats: async_nats::Client,
        reconnects: Reconnects,
    ) -> Self {
        Self { handler, config, db, nats, reconnects }
    }

    /// Handles messages until `stop`; then ends after what it holds was handled or given back.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
