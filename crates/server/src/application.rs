//! What a service tells of itself.

use std::{
    error::Error,
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use events::{Consumer, ConsumerConfig, DeadLetters, Handler, Relay, RelayConfig};
use futures::future::BoxFuture;
use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use values::Clock;

use crate::{Config, Service, SqlMigration, database::Pulse, dependencies::Callees, peer::Peers};

/// A service: its name, its tables, its configuration and how it is put together.
#[tonic::async_trait]
pub trait Application: Send + Sync + 'static {
    /// `order`: names the process in logs, traces and messages.
    const NAME: &'static str;
    /// Where it answers gRPC unless told otherwise; its admin port is a thousand above.
    const PORT: u16;
    /// The tables of the service, oldest first; those of `events` come before them by themselves.
    const MIGRATIONS: &'static [SqlMigration];
    /// What can be configured; [`Config`] is flattened into it.
    type Config: clap::Parser + AsRef<Config> + Send + Sync + 'static;

    /// Puts the service together, once its database is there and migrated.
    async fn build(config: Self::Config, context: &Context) -> Result<Service, BuildError>;
}

/// Puts together what runs in a `C`, once.
pub(crate) type Build<C, S> = Box<dyn FnOnce(&C) -> BoxFuture<'_, Result<S, BuildError>> + Send>;

/// What a service is put together from.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) name: &'static str,
    pub(crate) stream_replicas: usize,
    pub(crate) peers: Peers,
    pub(crate) callees: Callees,
    /// How many relays were made.
    pub(crate) relays: Arc<AtomicUsize>,
    /// Cancelled when nothing commits events any more.
    pub(crate) drained: CancellationToken,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) pulse: Pulse,
    /// The service's own database, migrated.
    pub db: DatabaseConnection,
    /// The broker, which may not be there yet.
    pub nats: async_nats::Client,
    /// How often the connection to the broker was made.
    pub reconnects: events::Reconnects,
    /// Tells the time.
    pub clock: Clock,
    /// Cancelled when background work is to end: consumers and sweepers at once, the relay once calls have ended too.
    pub stop: CancellationToken,
    /// Cancelled when open streams end with UNAVAILABLE. The server ends those that wait by itself.
    pub streams_end: CancellationToken,
    /// For connections outside the pool, as the relay's.
    pub database_url: SecretString,
}

impl Context {
    /// Calls `callee` with this process's identity.
    #[must_use]
    pub fn client(&self, callee: &'static str, target: &mesh::Target) -> mesh::Client {
        self.client_with(callee, target, mesh::Policy::default())
    }

    /// As [`client`](Self::client), in another way than the usual.
    #[must_use]
    pub fn client_with(
        &self,
        callee: &'static str,
        target: &mesh::Target,
        policy: mesh::Policy,
    ) -> mesh::Client {
        self.callees.client(callee, target, policy, &self.peers)
    }

    /// What brings the service's outbox to its `stream`, to the last event that a draining call commits.
    #[must_use]
    pub fn relay(&self, stream: &'static str) -> Relay {
        self.relays.fetch_add(1, Ordering::Relaxed);
        let config = RelayConfig {
            service: self.name,
            stream,
            database_url: self.database_url.clone(),
            replicas: self.stream_replicas,
        };
        Relay::new(config, self.db.clone(), self.nats.clone(), self.reconnects.clone())
            .until(self.drained.clone())
    }

    /// Handles one kind of event of `stream` until background work ends, and those of its dead letters that are replayed.
    pub fn consume<H: Handler>(
        &self,
        stream: &'static str,
        handler: H,
    ) -> impl Future<Output = ()> + Send + 'static + use<H> {
        let (config, handler) = (ConsumerConfig::new(stream), Arc::new(handler));
        self.dead_letters.register(handler.clone());
        Consumer::new(handler, config, self.db.clone(), self.nats.clone(), self.reconnects.clone())
            .run(self.stop.clone())
    }
}

/// Why a service could not be put together; anything that `?` takes.
pub struct BuildError(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for BuildError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl BuildError {
    pub(crate) fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
