//! What every call passes on its way to its handler: deadline, caller, policy, message limits, panics, and a database that
//! lives.

mod complete;
mod deadline;
mod gate;
mod identify;
mod incoming;
mod known;
mod outgoing;
mod request_id;
mod session;

use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context as Poller, Poll},
    time::Duration,
};

use auth::{Caller, Peer, policy::Policies};
use futures::FutureExt as _;
use http::{Request, Response, request::Parts};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body, service::Routes};
use tower::{Service, ServiceExt as _};
use values::Clock;

use crate::{Error, database::Pulse, health::Health, shed::Arriving, status};
use complete::complete;
use deadline::Deadline;
use gate::Gate;
use identify::Callers;
use incoming::{Ends, Limited};
use outgoing::{Guarded, Limits};
use request_id::RequestId;
use session::Session;

pub(crate) use known::known_methods;

/// When to come back to a service that is starting: at once, another replica may be there.
const STARTING: Duration = Duration::from_millis(100);

/// Answers calls: at first only about health and the contract, from [`open`](Self::open) on the service's own.
#[derive(Clone)]
pub(crate) struct Calls(Arc<Door>);

struct Door {
    /// Health and reflection, which everybody may ask.
    about: Routes,
    open: OnceLock<Open>,
    clock: Clock,
    streams_end: CancellationToken,
}

struct Open {
    routes: Routes,
    callers: Callers,
    gate: Gate,
    database: Pulse,
}

impl Calls {
    /// Ends streams when `streams_end` is cancelled.
    pub(crate) fn new(health: &Health, clock: Clock, streams_end: CancellationToken) -> Result<Self, Error> {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        Ok(Self(Arc::new(Door {
            about: Routes::new(health.grpc()).add_service(reflection.build_v1()?).prepare(),
            open: OnceLock::new(),
            clock,
            streams_end,
        })))
    }

    /// Answers the calls of `routes` too, as far as `policies` has their methods: `UNAVAILABLE` where they wait while the
    /// `database` is down.
    pub(crate) fn open(&self, routes: Routes, verifier: auth::Verifier, policies: Policies, database: Pulse) {
        let callers = Callers { verifier, clock: self.0.clock.clone() };
        // Opened once; there is no second call.
        let _ = self.0.open.set(Open { routes: routes.prepare(), callers, gate: Gate(policies), database });
    }
}

impl Door {
    async fn answer(&self, request: Request<Arriving>) -> Response<Body> {
        let request_id = RequestId::of(request.headers());
        let mut limits = Limits {
            deadline: Deadline(None),
            session: Session::NONE,
            streams_end: self.streams_end.clone(),
            request_id,
        };
        let mut response = match Deadline::of(request.headers()) {
            Err(status) => status.into_http(),
            Ok(deadline) => {
                limits.deadline = deadline;
                let handled = AssertUnwindSafe(self.handle(request, &mut limits.session)).catch_unwind();
                match deadline.limit(handled).await {
                    Ok(Ok(Ok(response))) => incoming::blame_the_caller(response),
                    Ok(Ok(Err(status))) | Err(status) => status.into_http(),
                    Ok(Err(_panic)) => status::internal().into_http(),
                }
            }
        };
        complete(response.headers_mut(), &limits.request_id);
        response.map(|body| Body::new(Guarded::new(body, limits)))
    }

    async fn handle(
        &self,
        request: Request<Arriving>,
        session: &mut Session,
    ) -> Result<Response<Body>, Status> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path();
        let (routes, database) = if path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.")
        {
            (self.about.clone(), None)
        } else {
            let open = self.open.get().ok_or_else(|| status::starting(STARTING))?;
            let caller = open.admit(&head).await?;
            *session = Session::of(&caller, &open.callers);
            head.extensions.insert(caller);
            // A stream mostly waits for its caller.
            (open.routes.clone(), Some(&open.database).filter(|_| !body.is_stream()))
        };
        let ends = body.is_stream().then(|| Ends::new(session, &self.streams_end));
        let request = Request::from_parts(head, Body::new(Limited::new(body, ends)));
        let answer = routes.oneshot(request);
        let Some(database) = database else {
            let Ok(response) = answer.await;
            return Ok(response);
        };
        tokio::select! {
            biased;
            Ok(response) = answer => Ok(response),
            () = database.is_lost() => Err(status::unavailable(status::SOON)),
        }
    }
}

impl Open {
    /// Who calls, if the method's policy admits them.
    async fn admit(&self, head: &Parts) -> Result<Caller, Status> {
        let allow = self.gate.find(head.uri.path())?;
        let caller = self.callers.identify(&head.headers).await?;
        Gate::admit(allow, &caller, head.extensions.get::<Peer>())?;
        Ok(caller)
    }
}

impl Service<Request<Arriving>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Arriving>) -> Self::Future {
        let door = Arc::clone(&self.0);
        Box::pin(async move { Ok(door.answer(request).await) })
    }
}
