//! What every call passes on its way to its handler: deadline, caller, message limits, panics.

mod deadline;
mod identify;
mod incoming;
mod known;
mod outgoing;

use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context as Poller, Poll},
    time::Duration,
};

use auth::PeerSecret;
use futures::FutureExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, service::Routes};
use tower::{Service, ServiceExt as _};
use values::Clock;

use crate::{Context, Error, health::Health, status};
use deadline::Deadline;
use identify::Callers;
use incoming::Limited;
use outgoing::Guarded;

pub(crate) use known::known_methods;

/// When to come back to a service that is starting.
const STARTING: Duration = Duration::from_secs(1);

/// Answers calls: at first only about health and the contract, from [`open`](Self::open) on the service's own.
#[derive(Clone)]
pub(crate) struct Calls(Arc<Door>);

struct Door {
    /// Health and reflection.
    about: Routes,
    open: OnceLock<Open>,
    peer_secret: PeerSecret,
    clock: Clock,
    streams_end: CancellationToken,
}

struct Open {
    routes: Routes,
    callers: Callers,
}

impl Calls {
    pub(crate) fn new(health: &Health, context: &Context) -> Result<Self, Error> {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        Ok(Self(Arc::new(Door {
            about: Routes::new(health.grpc()).add_service(reflection.build_v1()?).prepare(),
            open: OnceLock::new(),
            peer_secret: context.peer_secret.clone().try_into()?,
            clock: context.clock.clone(),
            streams_end: context.streams_end.clone(),
        })))
    }

    pub(crate) fn open(&self, routes: Routes, verifier: auth::Verifier) {
        let callers = Callers::new(verifier, self.0.peer_secret.clone(), self.0.clock.clone());
        // Opened once; there is no second call.
        let _ = self.0.open.set(Open { routes: routes.prepare(), callers });
    }
}

impl Door {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let deadline = match Deadline::of(request.headers()) {
            Ok(deadline) => deadline,
            Err(status) => return status.into_http(),
        };
        let handled = AssertUnwindSafe(self.handle(request)).catch_unwind();
        let response = match deadline.limit(handled).await {
            Ok(Ok(Ok(response))) => incoming::blame_the_caller(response),
            Ok(Ok(Err(status))) | Err(status) => status.into_http(),
            Ok(Err(_panic)) => status::internal().into_http(),
        };
        response.map(|body| Body::new(Guarded::new(body, deadline, self.streams_end.clone())))
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Status> {
        let mut request = request.map(|body| Body::new(Limited::new(body)));
        let path = request.uri().path();
        let routes = if path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.") {
            self.about.clone()
        } else {
            let Open { routes, callers } = self.open.get().ok_or_else(|| status::unavailable(STARTING))?;
            callers.identify(&mut request).await?;
            routes.clone()
        };
        let Ok(response) = routes.oneshot(request).await;
        Ok(response)
    }
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let door = Arc::clone(&self.0);
        Box::pin(async move { Ok(door.answer(request).await) })
    }
}
