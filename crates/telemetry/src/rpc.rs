//! Spans and RED metrics (rate, errors, duration) of gRPC calls, for those who serve and those who call.
//!
//! Both layers work on plain HTTP requests, read the status where gRPC puts it (header or trailers), and last until the
//! response body has ended, so a stream is measured whole.

mod body;
mod call;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::Context as Current;
use tower::{Layer, Service};
use tracing::Instrument as _;

pub use body::Measured;
use call::{Call, Side};

use crate::propagation;

/// Measures calls that come in, as children of the caller's span.
///
/// Methods that it isn't told of are all called alike, however early they are refused, so that callers can't make up
/// series of metrics or names of spans.
#[derive(Clone, Debug)]
pub struct ServerLayer {
    known: Arc<HashSet<String>>,
}

impl ServerLayer {
    /// Knows these methods: `bookstore.order.v1.OrderService/PlaceOrder`.
    pub fn new(known: impl IntoIterator<Item = String>) -> Self {
        Self { known: Arc::new(known.into_iter().collect()) }
    }
}

/// Measures calls that go out, and tells the callee of the span.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientLayer;

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;
    fn layer(&self, inner: S) -> Self::Service {
        Server { inner, known: Arc::clone(&self.known) }
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;
    fn layer(&self, inner: S) -> Self::Service {
        Client { inner }
    }
}

/// See [`ServerLayer`].
#[derive(Clone, Debug)]
pub struct Server<S> {
    inner: S,
    known: Arc<HashSet<String>>,
}

/// See [`ClientLayer`].
#[derive(Clone, Debug)]
pub struct Client<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<Measured<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = self.known.get(call::method(request.uri().path())).map(String::as_str);
        let caller = propagation::extract(request.headers());
        let mut call = Call::begin(Side::Server, method, &caller);
        propagation::adopt(call.span(), caller);
        let response = call.span().in_scope(|| self.inner.call(request)).instrument(call.span().clone());
        Box::pin(async move {
            let response = response.await.inspect_err(|_| call.end(tonic::Code::Internal))?;
            Ok(call.answered(response))
        })
    }
}

impl<S, B, R> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<Measured<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut call =
            Call::begin(Side::Client, Some(call::method(request.uri().path())), &Current::current());
        propagation::inject(call.span(), request.headers_mut());
        let response = call.span().in_scope(|| self.inner.call(request)).instrument(call.span().clone());
        Box::pin(async move {
            let response = response.await.inspect_err(|_| call.end(tonic::Code::Unavailable))?;
            Ok(call.answered(response))
        })
    }
}
