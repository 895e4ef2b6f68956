//! One call to another service.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Request, Response};
use secrecy::{ExposeSecret as _, SecretString};
use telemetry::rpc::ClientLayer;
use tokio::time::{Instant, timeout_at};
use tonic::{Status, body::Body};
use tower::{Layer as _, Service};

use crate::{
    Target,
    deadline::{self, Timed},
    pool::Pool,
};

/// Metadata that tells the callee that a service calls, not a user.
pub const PEER_SECRET: HeaderName = HeaderName::from_static("bookstore-peer-secret");

/// How a service is called.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a call may take, all tries together; a caller may ask for less.
    pub timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// HTTP/2 connections to each address.
    pub connections_per_endpoint: usize,
    /// Sent along with each call, if the callee is to know that a service calls.
    pub peer_secret: Option<SecretString>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_millis(500),
            connections_per_endpoint: 2,
            peer_secret: None,
        }
    }
}

/// Calls one service; a clone shares its connections. Goes where a tonic channel would.
#[derive(Clone, Debug)]
pub struct Client {
    measured: telemetry::rpc::Client<Calls>,
}

impl Client {
    /// Connects lazily, so the service may come later. Inside a Tokio runtime.
    #[must_use]
    pub fn new(target: &Target, policy: Policy) -> Self {
        let Policy { timeout, connect_timeout, connections_per_endpoint, peer_secret } = policy;
        let peer_secret = peer_secret.and_then(|secret| {
            let value = HeaderValue::from_str(secret.expose_secret());
            let mut value =
                value.inspect_err(|_| tracing::error!("the peer secret is no header value")).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let pool = Arc::new(Pool::new(target, connect_timeout, connections_per_endpoint));
        let calls = Calls { pool, timeout, peer_secret };
        Self { measured: ClientLayer.layer(calls) }
    }
}

impl Service<Request<Body>> for Client {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = self.measured.call(request);
        Box::pin(async move { response.await.map(|response| response.map(Body::new)) })
    }
}

/// The deadline and the pool, under the span.
#[derive(Clone)]
struct Calls {
    pool: Arc<Pool>,
    timeout: Duration,
    peer_secret: Option<HeaderValue>,
}

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let pool = self.pool.clone();
        if let Some(secret) = &self.peer_secret {
            request.headers_mut().insert(PEER_SECRET, secret.clone());
        }
        let timeout = deadline::agree(request.headers_mut(), self.timeout);
        let deadline = Instant::now() + timeout;
        Box::pin(async move {
            let answer = timeout_at(deadline, pool.send(request)).await;
            let answer = answer.unwrap_or_else(|_| Err(deadline::exceeded()));
            Ok(answer.map_or_else(Status::into_http, |(response, pending)| {
                if deadline::is_expiry(response.headers(), deadline) {
                    return deadline::exceeded().into_http();
                }
                response.map(|body| Body::new(Timed::new(body, deadline, pending)))
            }))
        })
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Calls").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
