//! From a connection to who is at its other end.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{HttpService, Origin, Terms, connection, metrics};

/// How long a handshake may take, the wait for its turn included.
const LIMIT: Duration = Duration::from_secs(5);
/// How many are made at once: a flood of them must leave time for calls.
const AT_ONCE: usize = 128;

/// Demands a certificate of whoever connects.
#[derive(Clone)]
pub(super) struct Handshakes {
    acceptor: TlsAcceptor,
    turns: Arc<Semaphore>,
}

impl Handshakes {
    /// Shows the certificate that `identity` has by then.
    pub(super) fn of(identity: &tls::Identity) -> Self {
        Self {
            acceptor: TlsAcceptor::from(identity.server_config()),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// Answers a connection until it ends.
pub(super) async fn answer(
    stream: TcpStream,
    handshakes: Option<Handshakes>,
    terms: Terms,
    service: HttpService,
    drain: CancellationToken,
) {
    let Some(Handshakes { acceptor, turns }) = handshakes else {
        let origin = Origin { peer: None, client: stream.peer_addr().ok(), is_local: is_local(&stream) };
        return connection::serve(Box::new(stream), origin, &terms, service, drain).await;
    };
    let shaken = timeout_at(Instant::now() + LIMIT, async {
        // Who says nothing takes no turn from those who do.
        stream.peek(&mut [0]).await.map_err(|error| error.to_string())?;
        let Ok(_turn) = turns.acquire().await else { return Err("the port is closed".to_owned()) };
        acceptor.accept(stream).await.map_err(|error| error.to_string())
    })
    .await;
    let refused = match shaken {
        Ok(Ok(stream)) => {
            let origin = Origin { peer: peer(&stream), client: None, is_local: false };
            return connection::serve(Box::new(stream), origin, &terms, service, drain).await;
        }
        Ok(Err(error)) => error,
        Err(_) => format!("not finished within {LIMIT:?}"),
    };
    // At debug: who knocks without a certificate must not fill the log.
    tracing::debug!(port = terms.name, error = refused, "a handshake failed");
    metrics::METRICS.handshakes_failed.add(1, &metrics::port(terms.name));
}

/// Over the loopback, or from an address of this process's own: in Kubernetes, from the same pod.
fn is_local(stream: &TcpStream) -> bool {
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(peer), Ok(own)) => peer.ip().to_canonical().is_loopback() || peer.ip() == own.ip(),
        _ => false,
    }
}

/// The handshake has let in only services of our trust domain and namespace.
fn peer(stream: &TlsStream<TcpStream>) -> Option<auth::Peer> {
    let (_, session) = stream.get_ref();
    let id = tls::peer_of(session.peer_certificates()?)?;
    Some(auth::Peer::new(id.service()))
}
