//! The connections to one service: which one takes the next call, and what to do when it isn't there.

use std::{
    error::Error as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response, Uri, uri::PathAndQuery};
use tonic::{
    Code, ConnectError, Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service as _, ServiceExt as _};

use crate::{Target, lent::Home};

/// How long an address that refused is asked last.
const REST: Duration = Duration::from_millis(500);
/// How often an idle connection is asked whether it still stands, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Pool {
    addresses: Vec<Address>,
}

#[derive(Debug)]
struct Address {
    socket: SocketAddr,
    connections: Vec<Connection>,
    refused: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Connection {
    channel: Channel,
    pending: Arc<AtomicUsize>,
}

/// Counts one call of a connection for as long as it lives.
#[derive(Debug)]
pub(crate) struct Pending(Arc<AtomicUsize>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(crate) fn new(target: &Target, connect_timeout: Duration, connections: usize) -> Self {
        let addresses = target
            .addresses()
            .iter()
            .map(|socket| Address::new(*socket, connect_timeout, connections.max(1)))
            .collect();
        Self { addresses }
    }

    /// Sends a request over the least busy connection. An address that can't be connected to costs a second try at
    /// another one: a request that never left was never executed.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<(Response<Body>, Pending), Status> {
        let (mut head, mut body) = request.into_parts();
        // The channel puts its own in place.
        head.uri =
            Uri::from(head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        let mut tried = None;
        loop {
            let Some(address) = self.choose(tried) else {
                return Err(Status::unavailable("no endpoint answers"));
            };
            let (mut channel, pending) = address.least_pending();
            let home = Home::default();
            let attempt = Request::from_parts(head.clone(), home.lend(body));
            let failure = match channel.ready().await {
                Ok(ready) => match ready.call(attempt).await {
                    Ok(response) => {
                        address.mark(None);
                        return Ok((response, pending));
                    }
                    Err(failure) => failure,
                },
                Err(failure) => {
                    drop(attempt);
                    failure
                }
            };
            let unsent = was_never_sent(&failure);
            tracing::debug!(address = %address.socket, error = &failure as &dyn std::error::Error, unsent, "call failed");
            if unsent {
                address.mark(Some(Instant::now()));
            }
            match home.take_back() {
                Some(unread) if unsent && tried.is_none() => {
                    body = unread;
                    tried = Some(address.socket);
                }
                _ => return Err(status_of(failure)),
            }
        }
    }

    /// The least busy address but the one tried before; one that refused a moment ago only if there is no other.
    fn choose(&self, tried: Option<SocketAddr>) -> Option<&Address> {
        self.addresses
            .iter()
            .filter(|address| Some(address.socket) != tried)
            .min_by_key(|address| (address.is_resting(), address.pending()))
    }
}

impl Address {
    fn new(socket: SocketAddr, connect_timeout: Duration, connections: usize) -> Self {
        let uri = Uri::builder().scheme("http").authority(socket.to_string()).path_and_query("/").build();
        let endpoint = Endpoint::from(uri.unwrap_or_default())
            .connect_timeout(connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_ANSWER)
            .keep_alive_while_idle(true);
        let connections = (0..connections)
            .map(|_| Connection { channel: endpoint.connect_lazy(), pending: Arc::default() })
            .collect();
        Self { socket, connections, refused: Mutex::new(None) }
    }

    fn pending(&self) -> usize {
        self.connections.iter().map(|connection| connection.pending.load(Ordering::Relaxed)).sum()
    }

    fn least_pending(&self) -> (Channel, Pending) {
        let mut least = &self.connections[0];
        for connection in &self.connections {
            if connection.pending.load(Ordering::Relaxed) < least.pending.load(Ordering::Relaxed) {
                least = connection;
            }
        }
        least.pending.fetch_add(1, Ordering::Relaxed);
        (least.channel.clone(), Pending(least.pending.clone()))
    }

    fn mark(&self, refused: Option<Instant>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    fn is_resting(&self) -> bool {
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|at| at.elapsed() < REST)
    }
}

/// Whether the connection wasn't there: it could not be made, or it had closed before the request was written.
fn was_never_sent(failure: &tonic::transport::Error) -> bool {
    let mut cause = failure.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>()
            || error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What a caller is told of a failure below gRPC: expiry by its name, all else as no answer. tonic says CANCELLED and
/// UNKNOWN.
fn status_of(failure: tonic::transport::Error) -> Status {
    let mut cause = failure.source();
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return Status::new(Code::DeadlineExceeded, "the deadline passed");
        }
        cause = error.source();
    }
    let mut status = Status::unavailable("no endpoint answers");
    status.set_source(Arc::new(failure));
    status
}
