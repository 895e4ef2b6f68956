//! Accepting connections, and letting go of them.

mod body;
mod connection;
mod handshake;
mod metrics;
mod room;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::body::Body;
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

pub use body::OneMessage;
pub(crate) use connection::IDLE;
use handshake::Handshakes;
use room::Room;
pub(crate) use room::{Share, Spared};

/// After a failure to accept that isn't one connection's: no file descriptors left, as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a port is answered with: of one type, so that all ports together have one HTTP, not one each.
pub(crate) type HttpService = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// Of any service.
pub(crate) fn http_service<S, B>(service: S) -> HttpService
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    BoxCloneSyncService::new(service.map_response(|answer: Response<B>| answer.map(Body::new)))
}

/// What every request carries of the connection that it came over.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Who showed a certificate for it.
    pub(crate) peer: Option<auth::Peer>,
    /// Where it comes from, if no certificate tells who that is.
    pub(crate) client: Option<SocketAddr>,
    /// Whether it comes from this machine's own network, as a mesh's proxy beside the process does.
    pub(crate) is_local: bool,
}

/// How a port takes connections.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// `grpc`, `admin`: names the port in metrics.
    pub(crate) name: &'static str,
    /// What is shown to callers who must show theirs; plaintext without.
    pub(crate) identity: Option<tls::Identity>,
    /// How many connections there are at most.
    pub(crate) connections: usize,
    /// How many of them one client may have.
    pub(crate) share: Option<Share>,
    /// How long one may wait for its first request.
    pub(crate) silence: Duration,
    /// How many streams each may have at once.
    pub(crate) streams: u32,
    /// How many bytes each may send before they are read.
    pub(crate) window: u32,
    /// How long one is used.
    pub(crate) age: Option<Age>,
    /// Ends gRPC streams that wait.
    pub(crate) streams_end: CancellationToken,
}

/// How long a connection is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    /// Until its client is asked for another, give or take a tenth.
    pub(crate) most: Duration,
    /// For what is then under way.
    pub(crate) grace: Duration,
}

/// A port that is answered until it is [drained](Self::drain).
pub(crate) struct Port {
    connections: TaskTracker,
    drain: CancellationToken,
    cut: CancellationToken,
}

impl Port {
    /// Answers HTTP/2, and in plaintext HTTP/1 beside it, with `service`.
    pub(crate) fn open(listener: TcpListener, terms: Terms, service: HttpService) -> Self {
        let port = Self {
            connections: TaskTracker::new(),
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        let (connections, drain, cut) = (port.connections.clone(), port.drain.clone(), port.cut.clone());
        let room = Room::new(terms.connections, terms.share.clone());
        let handshakes = terms.identity.as_ref().map(Handshakes::of);
        port.connections.spawn(async move {
            while let Some((stream, peer)) = drain.run_until_cancelled(accept(&listener)).await {
                let Some(place) = room.admit(peer.ip()) else {
                    // Closed at once: the client hears of it now and goes to another replica.
                    metrics::METRICS.refused.add(1, &metrics::port(terms.name));
                    continue;
                };
                let (terms, service) = (terms.clone(), service.clone());
                let (drain, cut, handshakes) = (drain.clone(), cut.clone(), handshakes.clone());
                connections.spawn(async move {
                    let answered = handshake::answer(stream, handshakes, terms, service, drain);
                    cut.run_until_cancelled(answered).await;
                    drop(place);
                });
            }
        });
        port
    }

    /// Accepts nothing new, lets what is under way end, and cuts at `deadline` what has not.
    pub(crate) async fn drain(self, deadline: Instant) {
        self.drain.cancel();
        self.connections.close();
        if timeout_at(deadline, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "calls did not end in time and are cut");
            self.cut.cancel();
            self.connections.wait().await;
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are written whole: waiting for more only delays them.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
