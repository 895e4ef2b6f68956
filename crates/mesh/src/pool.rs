//! The connections to one service: which one takes the next call, and what to do when it isn't there.

use std::{
    error::Error as StdError,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response, Uri, request::Parts, uri::PathAndQuery};
use tonic::{
    ConnectError, Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service as _, ServiceExt as _};

use crate::{Target, deadline, lent::Home};

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

    /// Sends a request over the least busy connection.
    ///
    /// A request that never left was never executed, so it gets a second try: at another address if this one can't be
    /// connected to, over a new connection if the old one had closed.
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<(Response<Body>, Pending), Status> {
        let (mut head, body) = request.into_parts();
        // The channel puts its own in place.
        head.uri =
            Uri::from(head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        let first = self.choose(None).ok_or_else(nobody)?;
        let (failure, body) = match first.send(&head, body).await {
            Ok(answer) => return Ok(answer),
            Err(Failure { error, unsent: None, .. }) => return Err(status_of(error)),
            Err(Failure { error, unsent: Some(body), refused }) => ((error, refused), body),
        };
        let second = match failure {
            (error, true) => self.choose(Some(first.socket)).ok_or_else(|| status_of(error))?,
            (_, false) => first,
        };
        second.send(&head, body).await.map_err(|failure| status_of(failure.error))
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

    async fn send(&self, head: &Parts, body: Body) -> Result<(Response<Body>, Pending), Failure> {
        let (mut channel, pending) = self.least_pending();
        let home = Home::default();
        let attempt = Request::from_parts(head.clone(), home.lend(body));
        let error = match channel.ready().await {
            Ok(ready) => match ready.call(attempt).await {
                Ok(response) => {
                    self.mark(None);
                    return Ok((response, pending));
                }
                Err(error) => error,
            },
            Err(error) => {
                drop(attempt);
                error
            }
        };
        let refused = caused_by(&error, <dyn StdError>::is::<ConnectError>);
        let closed = caused_by(&error, |cause| {
            cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
        });
        tracing::debug!(address = %self.socket, error = &error as &dyn StdError, "call failed");
        if refused {
            self.mark(Some(Instant::now()));
        }
        // The body alone doesn't prove it: the head may have left without it.
        let unsent = home.take_back().filter(|_| refused || closed);
        Err(Failure { error, unsent, refused })
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

/// An attempt without an answer.
struct Failure {
    error: tonic::transport::Error,
    /// The body of a request that never left.
    unsent: Option<Body>,
    /// The address can't be connected to.
    refused: bool,
}

fn caused_by(error: &tonic::transport::Error, is_cause: impl Fn(&(dyn StdError + 'static)) -> bool) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if is_cause(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What a caller is told of a failure below gRPC: expiry by its name, all else as no answer. tonic says CANCELLED and
/// UNKNOWN.
fn status_of(error: tonic::transport::Error) -> Status {
    if caused_by(&error, <dyn StdError>::is::<tonic::TimeoutExpired>) {
        return deadline::exceeded();
    }
    let mut status = nobody();
    status.set_source(Arc::new(error));
    status
}

fn nobody() -> Status {
    Status::unavailable("no endpoint answers")
}
