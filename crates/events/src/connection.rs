use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, ServerAddr, connection::State};
use percent_encoding::percent_decode_str;
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
    /// An account in it isn't text.
    #[error("a broker's account and password in its address must be percent-encoded UTF-8")]
    Account,
    /// The client can't work with it.
    #[error("cannot connect to the broker")]
    Connect(#[from] async_nats::ConnectError),
}

/// The broker's addresses and how it is reached: `url` may be several with commas, the first with an account that counts
/// for all. Only servers are believed whose certificates were signed by one of `roots`, a PEM file that is read for each
/// connection; without it, where the address says `tls://`, by one that this machine trusts.
///
/// # Errors
/// The address is malformed.
pub fn reach(url: &str, roots: Option<&Path>) -> Result<(Vec<ServerAddr>, ConnectOptions), ConnectError> {
    let servers = url
        .split(',')
        .map(|server| server.trim().parse::<ServerAddr>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(ConnectError::Address)?;
    let mut options = ConnectOptions::new();
    // The library takes no account from an address.
    if let Some((user, password)) =
        servers.iter().find_map(|server| Some((server.username()?, server.password()?)))
    {
        options = options.user_and_password(decoded(user)?, decoded(password)?);
    }
    if let Some(roots) = roots {
        options = options.add_root_certificates(PathBuf::from(roots)).require_tls(true);
    }
    Ok((servers, options))
}

fn decoded(text: &str) -> Result<String, ConnectError> {
    percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| ConnectError::Account)
}

/// A client that connects as soon as the broker is there and never gives up; `url` and `roots` as for [`reach`].
///
/// # Errors
/// The address is malformed; a broker that isn't there is no error.
pub async fn connect(
    url: &str,
    roots: Option<&Path>,
    name: &str,
) -> Result<(Client, Reconnects), ConnectError> {
    let (servers, options) = reach(url, roots)?;
    let (made, reconnects) = watch::channel(0);
    let outage = Outage::default();
    let client = options
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
