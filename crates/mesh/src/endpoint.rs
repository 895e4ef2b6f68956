//! One replica: the connections to it, and what is known of how it does.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, uri};
use hyper::client::conn::http2::SendRequest;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};
use tonic::body::Body;

use crate::{
    balance::{Cost, Latency},
    connection::{Connection, Connector, Line, SILENCE},
    dice::Dice,
    metrics::{Counted, Metrics},
    outlier::{Outlier, OutlierPolicy},
    resolve::Doubts,
};

/// How long a replica that can't be connected to is left alone at first, and at most. Doubled each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause when calls wait for this connection.
const PAUSE_IN_NEED: Duration = Duration::from_millis(50);
/// A connection that lasted this long was a good one.
const STEADY: Duration = Duration::from_secs(1);

/// What all endpoints of a client have in common.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) connector: Connector,
    pub(crate) connections: usize,
    pub(crate) outlier: OutlierPolicy,
    /// `:authority`, if it isn't the address.
    pub(crate) authority: Option<Authority>,
    pub(crate) dice: Arc<Dice>,
    pub(crate) doubts: Doubts,
    /// Sent to when a connection is made, lost or refused.
    pub(crate) changed: Arc<watch::Sender<()>>,
    pub(crate) metrics: Metrics,
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    scheme: Scheme,
    authority: Authority,
    slots: Vec<Arc<Slot>>,
    keepers: Vec<AbortHandle>,
    latency: Mutex<Latency>,
    outlier: Mutex<Outlier>,
    /// Until it is retired.
    known: Mutex<Option<Counted>>,
}

/// The place of one connection.
#[derive(Debug, Default)]
struct Slot {
    open: Mutex<Option<Open>>,
    pending: AtomicUsize,
    /// How often connecting has failed.
    refusals: AtomicU64,
    /// Calls wait for a connection.
    wanted: Notify,
}

#[derive(Debug)]
struct Open {
    sender: SendRequest<Body>,
    line: Arc<Line>,
    _counted: Counted,
}

/// Empties a slot when its keeper is done, even one that is aborted: it may just have stored a connection into the slot of
/// an endpoint that is already retired.
struct Kept<'a>(&'a Slot);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.lock().take();
    }
}

impl Endpoint {
    /// Begins to connect.
    pub(crate) fn new(address: SocketAddr, around: &Surroundings) -> Option<Self> {
        let scheme = if around.connector.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let authority = around.authority.clone().or_else(|| address.to_string().parse().ok())?;
        let slots: Vec<_> = (0..around.connections.max(1)).map(|_| Arc::new(Slot::default())).collect();
        let keepers = slots.iter().map(|slot| {
            let (slot, around) = (slot.clone(), around.clone());
            tokio::spawn(async move { slot.keep(address, &around).await }).abort_handle()
        });
        Some(Self {
            address,
            scheme,
            authority,
            keepers: keepers.collect(),
            slots,
            latency: Mutex::default(),
            outlier: Mutex::new(Outlier::new(around.outlier)),
            known: Mutex::new(Some(around.metrics.endpoint())),
        })
    }

    /// Takes no new calls; those under way go on over their connections.
    pub(crate) fn retire(&self) {
        for keeper in &self.keepers {
            keeper.abort();
        }
        for slot in &self.slots {
            slot.lock().take();
        }
        lock(&self.known).take();
    }

    pub(crate) fn uri(&self, path: Option<&PathAndQuery>) -> Uri {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        Uri::from_parts(parts).unwrap_or_default()
    }

    pub(crate) fn cost(&self, now: Instant) -> Cost {
        let pending = self.slots.iter().map(|slot| slot.pending.load(Ordering::Relaxed)).sum();
        Cost { latency: lock(&self.latency).at(now), pending }
    }

    pub(crate) fn is_out(&self, now: Instant) -> bool {
        lock(&self.outlier).is_out(now)
    }

    /// Calls wait for it, and nothing comes.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        lock(&self.latency).is_silent(SILENCE, now)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_open())
    }

    /// Each connection was refused at least this often.
    pub(crate) fn refusals(&self) -> u64 {
        let refusals = self.slots.iter().map(|slot| slot.refusals.load(Ordering::Acquire));
        refusals.min().unwrap_or_default()
    }

    pub(crate) fn want(&self) {
        for slot in &self.slots {
            slot.wanted.notify_one();
        }
    }

    /// The idlest connection, for one call.
    pub(crate) fn lease(self: &Arc<Self>) -> Option<Lease> {
        let open = self.slots.iter().filter(|slot| slot.is_open());
        let slot = open.min_by_key(|slot| slot.pending.load(Ordering::Relaxed))?;
        let (sender, line) = {
            let open = slot.lock();
            let open = open.as_ref()?;
            (open.sender.clone(), open.line.clone())
        };
        slot.pending.fetch_add(1, Ordering::Relaxed);
        Some(Lease { endpoint: self.clone(), slot: slot.clone(), sender, line })
    }

    /// A unary call begins to wait for this endpoint.
    pub(crate) fn begun(&self, now: Instant) {
        lock(&self.latency).begun(now);
    }

    pub(crate) fn ended(&self) {
        lock(&self.latency).ended();
    }

    /// An answer came; what it took counts unless it is a stream.
    pub(crate) fn answered(&self, took: Option<Duration>, now: Instant) {
        if let Some(took) = took {
            lock(&self.latency).answered(took, now);
        }
        lock(&self.outlier).answered(now);
    }

    /// An answer that may say more of the replica than of the request. That it lives is certain.
    pub(crate) fn faltered(&self, took: Duration, now: Instant) {
        lock(&self.latency).faltered(took, now);
        lock(&self.outlier).answered(now);
    }

    /// An answer that says more of the replica than of the request.
    pub(crate) fn erred(&self, took: Duration, now: Instant) {
        lock(&self.latency).failed(took, now);
    }

    /// Whether the endpoint ought to be put out.
    pub(crate) fn failed(&self, took: Duration, now: Instant) -> bool {
        lock(&self.latency).failed(took, now);
        lock(&self.outlier).failed(now)
    }

    /// Until when.
    pub(crate) fn put_out(&self, now: Instant) -> Instant {
        lock(&self.outlier).put_out(now)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        for keeper in &self.keepers {
            keeper.abort();
        }
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        lock(&self.open)
    }

    fn is_open(&self) -> bool {
        self.lock().as_ref().is_some_and(|open| !open.sender.is_closed())
    }

    /// Connects again and again, more slowly while it is of no use.
    async fn keep(&self, address: SocketAddr, around: &Surroundings) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match around.connector.connect(address).await {
                Ok(connection) => {
                    let (ended, lived) = self.hold(connection, around).await;
                    if ended == Ended::InGoodOrder || lived >= STEADY {
                        pause = SHORTEST_PAUSE;
                    }
                    if lived >= STEADY {
                        continue;
                    }
                }
                Err(error) => {
                    tracing::debug!(%address, error = &error as &dyn std::error::Error, "not connected");
                    self.refusals.fetch_add(1, Ordering::Release);
                    around.changed.send_replace(());
                    around.doubts.notify_one();
                }
            }
            let ended = Instant::now();
            tokio::select! {
                () = sleep(around.dice.between(pause, 0.5, 1.0)) => {}
                () = self.wanted.notified() => sleep_until(ended + PAUSE_IN_NEED).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Offers a connection until it takes no more calls; says how long that was.
    async fn hold(&self, connection: Connection, around: &Surroundings) -> (Ended, Duration) {
        let Connection { sender, line, closed } = connection;
        let began = Instant::now();
        let kept = Kept(self);
        let counted = around.metrics.connection();
        *self.lock() = Some(Open { sender, line: line.clone(), _counted: counted });
        around.changed.send_replace(());
        let ended = tokio::select! {
            _ = closed => Ended::Lost,
            () = line.spent.notified() => Ended::InGoodOrder,
        };
        drop(kept);
        around.changed.send_replace(());
        around.doubts.notify_one();
        (ended, began.elapsed())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    InGoodOrder,
    Lost,
}

/// One call's hold on a connection.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) endpoint: Arc<Endpoint>,
    slot: Arc<Slot>,
    pub(crate) sender: SendRequest<Body>,
    pub(crate) line: Arc<Line>,
}

impl Lease {
    /// The connection takes no more calls (GOAWAY): a new one is made while the old one finishes its own.
    pub(crate) fn spent(&self) {
        self.slot.lock().take_if(|open| Arc::ptr_eq(&open.line, &self.line));
        self.line.spent.notify_one();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_keeper_that_is_aborted_leaves_no_connection_behind() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
            while connection.accept().await.is_some() {}
        });
        let around = Surroundings {
            connector: Connector { timeout: Duration::from_secs(20), tls: None },
            connections: 1,
            outlier: OutlierPolicy::default(),
            authority: None,
            dice: Arc::new(Dice::seeded(1)),
            doubts: Arc::default(),
            changed: Arc::new(watch::channel(()).0),
            metrics: Metrics::new("payment"),
        };
        let slot = Slot::default();
        let connection = around.connector.connect(address).await.unwrap();
        let mut held = Box::pin(slot.hold(connection, &around));
        tokio::select! {
            biased;
            _ = &mut held => panic!("it was closed"),
            () = std::future::ready(()) => assert!(slot.is_open()),
        }
        drop(held);
        assert!(slot.lock().is_none(), "nobody would take it out");
        served.await.unwrap();
    }
}
