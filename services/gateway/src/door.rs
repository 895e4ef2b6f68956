//! Where every call comes in: named, told from others, kept to its limits, passed on and logged.

use std::{
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{Router, extract::ConnectInfo, response::IntoResponse as _};
use futures::future::{BoxFuture, FutureExt as _};
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use telemetry::propagation::TRACERESPONSE;
use tokio::time::timeout;
use tonic::{Status, body::Body, service::Routes as About};
use tower::{Service, ServiceExt as _};

use crate::{
    access_log::{Entry, Logged},
    brief::Brief,
    caller::{Caller, Callers},
    limit::{Limiter, Permit, Weight},
    pages, proxy,
    proxy::Rules,
    request_id::RequestId,
    route::{HEALTH, HEALTH_NEWS, REFLECTION, Routes, UPSTREAMS},
    upstream::Upstream,
    web::Protocol,
};

/// Answers calls; clones are the same door.
#[derive(Clone, Debug)]
pub(crate) struct Door(Arc<Rooms>);

/// What is behind the door.
pub(crate) struct Rooms {
    pub(crate) routes: Routes,
    /// As [`UPSTREAMS`] names them.
    pub(crate) services: [Upstream; UPSTREAMS.len()],
    pub(crate) callers: Callers,
    pub(crate) limiter: Limiter,
    pub(crate) rules: Rules,
    /// Health and reflection.
    pub(crate) about: About,
    pub(crate) pages: Router,
    pub(crate) logs_addresses: bool,
}

impl Door {
    pub(crate) fn new(rooms: Rooms) -> Self {
        Self(Arc::new(rooms))
    }
}

impl Rooms {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let id = RequestId::of(request.headers());
        let protocol = request.extensions().get().copied().unwrap_or(Protocol::Http);
        let trace = telemetry::propagation::response_to(request.headers());
        let mut response = match protocol.name() {
            Some(protocol) => self.call(request, &id, protocol).await,
            None if protocol == Protocol::GrpcOverHttp1 => {
                pages::needs_http2().into_response().map(Body::new)
            }
            None => {
                let Ok(response) = self.pages.clone().oneshot(request).await;
                response.map(Body::new)
            }
        };
        id.show(response.headers_mut());
        if let Some(trace) = trace {
            response.headers_mut().insert(TRACERESPONSE, trace);
        }
        response
    }

    async fn call(&self, request: Request<Body>, id: &RequestId, protocol: &'static str) -> Response<Body> {
        if request.uri().path().strip_prefix('/') == Some(HEALTH) {
            // Not logged: nothing happens so often and says so little.
            return self.probe(request).await.unwrap_or_else(Status::into_http);
        }
        let mut entry = Entry::begin(id.clone(), protocol);
        let handled = AssertUnwindSafe(self.handle(request, id, &mut entry)).catch_unwind().await;
        let outcome = handled.unwrap_or_else(|_panic| Err(server::status::internal()));
        let (response, permit) = match outcome {
            Ok((response, permit)) => (response, Some(permit)),
            Err(status) => (status.into_http(), None),
        };
        entry.note(response.headers());
        response.map(|body| Body::new(Logged::new(body, entry, permit)))
    }

    async fn probe(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let place = self.limiter.enter()?;
        let caller = Caller::stranger(self.callers.client(request.headers(), peer(&request)));
        let _permit = self.limiter.admit_probe(place, caller.network, Instant::now())?;
        self.tell_about(request).await
    }

    /// Answers about health and the contract.
    async fn tell_about(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        // What is asked is read before there is an answer.
        let told = timeout(proxy::ARRIVAL, self.about.clone().oneshot(request)).await;
        let Ok(response) = told.map_err(|_| server::status::deadline_exceeded())?;
        Ok(response)
    }

    async fn handle(
        &self,
        mut request: Request<Body>,
        id: &RequestId,
        entry: &mut Entry,
    ) -> Result<(Response<Body>, Permit), Status> {
        let place = self.limiter.enter()?;
        let path = request.uri().path().to_owned();
        let caller = self.tell(request.headers(), peer(&request)).await?;
        entry.caller = caller.kind;
        entry.address = self.logs_addresses.then_some(caller.address);

        let found = self.routes.find(&path);
        if let Ok((path, _)) = &found {
            path.trim_start_matches('/').clone_into(&mut entry.method);
        }
        let about = path
            .strip_prefix('/')
            .and_then(|path| [REFLECTION, HEALTH_NEWS].into_iter().find(|known| *known == path));
        let method = found.as_ref().ok().map(|(_, method)| method);
        let weight = Weight {
            is_stream: about.is_some() || method.is_some_and(|method| !method.shape.answers_once),
            is_open_to_abuse: method.is_some_and(|method| method.is_open_to_abuse),
        };
        let permit = self.limiter.admit(place, &caller, weight, Instant::now())?;

        if let Some(method) = about {
            method.clone_into(&mut entry.method);
            if caller.user.is_none() && method == REFLECTION {
                request = request.map(|body| Body::new(Brief::new(body)));
            }
            return Ok((self.tell_about(request).await?, permit.begun()));
        }
        let (path, method) = found?;
        let upstream = method.upstream(request.headers())?;
        entry.upstream = UPSTREAMS[upstream];
        let (service, received) = (&self.services[upstream], Arc::clone(&entry.received));
        let response = proxy::pass(request, path, method.shape, service, id, received, &self.rules).await?;
        Ok((response, permit.begun()))
    }

    async fn tell(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Caller, Status> {
        let stranger = Caller::stranger(self.callers.client(headers, peer));
        if !headers.contains_key(AUTHORIZATION) {
            return Ok(stranger);
        }
        let unproven = self.limiter.unproven(stranger.network, Instant::now())?;
        let caller = self.callers.tell(headers, stranger).await;
        if caller.user.is_some() {
            unproven.proven();
        }
        Ok(caller)
    }
}

fn peer(request: &Request<Body>) -> IpAddr {
    let peer = request.extensions().get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip());
    peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

impl Service<Request<Body>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let rooms = Arc::clone(&self.0);
        async move { Ok(rooms.answer(request).await) }.boxed()
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rooms").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
