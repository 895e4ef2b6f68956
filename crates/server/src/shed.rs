//! No more at once than can be answered well: what is too much is refused at once.

mod body;
mod metrics;

use std::{
    collections::HashSet,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use auth::policy::Policies;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tower::Service;

use crate::status;
use body::Expects;
pub(crate) use body::{Arriving, Held};

/// When to come back after a refusal. The client may go to another replica at once.
const RETRY: Duration = Duration::from_millis(250);
/// An open stream mostly waits, and so weighs less than a call.
const STREAMS_A_CALL: usize = 8;

/// Answers up to so many calls at once, and refuses more with `RESOURCE_EXHAUSTED`.
///
/// Health and reflection are always answered. What a method streams counts apart from calls: else people who wait for
/// news would keep others from asking anything.
#[derive(Clone)]
pub(crate) struct Shed<S> {
    inner: S,
    limits: Arc<Limits>,
}

struct Limits {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// Paths of methods that answer with a stream.
    answer_streams: HashSet<String>,
    /// Paths of methods that are asked with a stream.
    take_streams: HashSet<String>,
}

impl<S> Shed<S> {
    pub(crate) fn new(inner: S, at_once: u32, contract: &Policies) -> Self {
        let at_once = at_once as usize;
        let paths = |is: fn(&auth::policy::Method) -> bool| {
            contract.iter().filter(|method| is(method)).map(auth::policy::Method::path).collect()
        };
        let limits = Limits {
            calls: Arc::new(Semaphore::new(at_once)),
            streams: Arc::new(Semaphore::new(at_once * STREAMS_A_CALL)),
            answer_streams: paths(|method| method.is_server_streaming),
            take_streams: paths(|method| method.is_client_streaming),
        };
        metrics::watch(&limits.calls, &limits.streams, at_once);
        Self { inner, limits: Arc::new(limits) }
    }
}

impl Limits {
    /// `None` if there is no room.
    fn admit(&self, path: &str) -> Option<Admitted> {
        if is_about_us(path) {
            return Some(Admitted::default());
        }
        let stream = if self.answer_streams.contains(path) {
            Some(Arc::clone(&self.streams).try_acquire_owned().ok()?)
        } else {
            None
        };
        Some(Admitted { call: Some(Arc::clone(&self.calls).try_acquire_owned().ok()?), stream })
    }

    fn expects(&self, path: &str) -> Expects {
        match path {
            _ if path.starts_with("/grpc.reflection.") => Expects::Questions,
            _ if self.take_streams.contains(path) => Expects::Stream,
            _ => Expects::OneMessage,
        }
    }
}

/// Health and reflection.
pub(crate) fn is_about_us(path: &str) -> bool {
    path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.")
}

/// The place of a call among those at once.
#[derive(Default)]
struct Admitted {
    call: Option<OwnedSemaphorePermit>,
    stream: Option<OwnedSemaphorePermit>,
}

impl Admitted {
    /// What is held while the answer's body goes out: of a stream that has begun, only its place among streams.
    fn of_body(self) -> Option<OwnedSemaphorePermit> {
        self.stream.or(self.call)
    }
}

impl<S> Service<Request<Incoming>> for Shed<S>
where
    S: Service<Request<Arriving>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Held<Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        let Some(admitted) = self.limits.admit(path) else {
            metrics::METRICS.shed.add(1, &[]);
            let overloaded = status::exhausted("OVERLOADED", "the service has too much to do", RETRY);
            return Box::pin(async move { Ok(overloaded.into_http().map(|body| Held::new(body, None))) });
        };
        let expects = self.limits.expects(path);
        let answer = self.inner.call(request.map(|body| Arriving::new(body, expects)));
        Box::pin(async move {
            let Ok(answer) = answer.await;
            Ok(answer.map(|body| Held::new(body, admitted.of_body())))
        })
    }
}
