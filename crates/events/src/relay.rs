use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::{Reconnects, Wake};

/// Whose outbox goes to which stream.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// The service, `order`; its subjects are `bookstore.order.>`.
    pub service: &'static str,
    /// The stream, `ORDER`.
    pub stream: &'static str,
    /// For the connection that holds the advisory lock, which isn't one of the pool's.
    pub database_url: SecretString,
    /// How many servers keep a copy of the stream.
    pub replicas: usize,
}

/// Brings the outbox to the broker and checks that the broker kept it.
pub struct Relay {
    config: RelayConfig,
    db: DatabaseConnection,
    nats: async_nats::Client,
    reconnects: Reconnects,
}

impl Relay {
    /// A relay that does nothing until [`Self::run`].
    #[must_use]
    pub fn new(
        config: RelayConfig,
        db: DatabaseConnection,
        nats: async_nats::Client,
        reconnects: Reconnects,
    ) -> Self {
        Self { config, db, nats, reconnects }
    }

    /// What tells this relay that events were committed.
    #[must_use]
    pub fn wake_handle(&self) -> Wake {
        unimplemented!()
    }

    /// Publishes until `stop`; of all replicas of a service one is active and the others stand by.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
