use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, ServerAddr, connection::State};
use tokio::sync::watch;

/// How long a dead connection may look alive.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How long the client waits between two attempts to connect, at most.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// How often the connection to the broker was made. A change means that the broker may not hold what it held: the
/// client reconnects without a word, and a restarted broker may have lost its last messages.
#[derive(Clone, Debug)]
pub struct Reconnects(watch::Receiver<u64>);

/// The broker's address is unusable.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It isn't a list of URLs.
    #[error("a broker's address is nats://host:port, several are separated by commas")]
    Address(#[source] std::io::Error),
    /// The client can't work with it.
    #[error("cannot connect to the broker")]
    Connect(#[from] async_nats::ConnectError),
}

/// A client that connects as soon as the broker is there and never gives up. `url` may be several with commas.
///
/// # Errors
/// The address is malformed; a broker that isn't there is no error.
pub async fn connect(url: &str, name: &str) -> Result<(Client, Reconnects), ConnectError> {
    let servers = url
        .split(',')
        .map(|server| server.trim().parse::<ServerAddr>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(ConnectError::Address)?;
    let (made, reconnects) = watch::channel(0);
    let outage = Outage::default();
    let client = ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(|attempts| {
            let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
            Duration::from_millis(50).saturating_mul(attempts).min(LONGEST_DELAY)
        })
        .event_callback(move |event| {
            if event == Event::Connected {
                made.send_modify(|count| *count += 1);
            }
            outage.tell(&event);
            std::future::ready(())
        })
        .connect(servers)
        .await?;
    Ok((client, Reconnects(reconnects)))
}

/// Says once that the broker is away and once that it is back, however often that is found out.
#[derive(Default)]
struct Outage {
    is_connected: AtomicBool,
    is_told: AtomicBool,
}

impl Outage {
    fn tell(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.is_connected.store(true, Relaxed);
                if self.is_told.swap(false, Relaxed) {
                    tracing::info!("the broker is back");
                }
            }
            Event::SlowConsumer(_) => tracing::warn!(%event, "broker"),
            Event::ServerError(_) | Event::ClientError(_) if self.is_connected.load(Relaxed) => {
                tracing::warn!(%event, "broker");
            }
            Event::Disconnected | Event::ServerError(_) | Event::ClientError(_) => {
                self.is_connected.store(false, Relaxed);
                if self.is_told.swap(true, Relaxed) {
                    tracing::debug!(%event, "the broker is still away");
                } else {
                    tracing::warn!(%event, "the broker is away");
                }
            }
            Event::LameDuckMode | Event::Draining | Event::Closed => tracing::info!(%event, "broker"),
        }
    }
}

impl Reconnects {
    /// How often the connection was made so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        *self.0.borrow()
    }

    /// Waits for the next connection that this handle hasn't seen.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The client is gone, and with it all that could change.
            std::future::pending::<()>().await;
        }
    }

    /// The count, from which on [`Self::changed`] waits.
    pub(crate) fn seen(&mut self) -> u64 {
        *self.0.borrow_and_update()
    }
}

/// Whether messages leave at once. What is published while this is false is kept and may land much later.
pub(crate) fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
}
