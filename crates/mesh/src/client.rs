//! One call to another service: how long it may take, whether it is made at all, and how often it is tried.

mod trial;

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, request::Parts};
use opentelemetry::KeyValue;
use rustls_pki_types::ServerName;
use telemetry::rpc::ClientLayer;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Layer as _, Service};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{
    Policy, Target,
    attempt::{self, Call},
    breaker::{Breaker, Pass, Turn, Verdict},
    budget::Budget,
    connection::Connector,
    contract::Method,
    deadline::Deadline,
    dice::Dice,
    endpoint::{Lease, Surroundings, lock},
    endpoints::{Endpoints, Unreachable},
    metrics::Metrics,
    payload::Payload,
    reach::Reach,
    retry::{self, Failure, Reason},
};

/// Requests that closing connections handed back are sent again so often, at no cost to anybody.
const HANDED_BACK: u32 = 5;

/// Calls one service; a clone shares its connections. Goes where a tonic channel would.
#[derive(Clone, Debug)]
pub struct Client {
    measured: telemetry::rpc::Client<Calls>,
    calls: Calls,
}

impl Client {
    /// Calls `callee`, which is the service's name in metrics and, with an identity of our own, the only service account
    /// whose certificate is accepted. Without one, calls are in plaintext.
    ///
    /// Looks for endpoints and connects at the first call, which has to be inside a Tokio runtime.
    #[must_use]
    pub fn new(
        callee: &'static str,
        target: &Target,
        policy: Policy,
        identity: Option<&tls::Identity>,
    ) -> Self {
        let tls = identity.map(|identity| {
            let config = identity.client_config(&identity.id().sibling(callee));
            // The certificate is judged by its SPIFFE id; the name is only sent along.
            let name = ServerName::try_from(callee)
                .unwrap_or_else(|_| ServerName::from(std::net::IpAddr::from([0; 4])));
            (TlsConnector::from(config), name)
        });
        let now = Instant::now();
        let service = Callee {
            target: target.clone(),
            connector: Connector { timeout: policy.connect_timeout, tls },
            endpoints: OnceLock::new(),
            breaker: Mutex::new(Breaker::new(policy.breaker, now)),
            budget: Mutex::new(Budget::new(policy.budget, now)),
            dice: Arc::new(Dice::new()),
            metrics: Metrics::new(callee),
            policy,
        };
        let calls = Calls(Arc::new(service));
        Self { measured: ClientLayer.layer(calls.clone()), calls }
    }

    /// Whether the service can be called, for those who tell operators.
    #[must_use]
    pub fn reach(&self) -> Reach {
        Reach::new(&self.calls.0)
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

/// What is under the span.
#[derive(Clone)]
struct Calls(Arc<Callee>);

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let callee = self.0.clone();
        Box::pin(async move { Ok(callee.call(request).await) })
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Calls").field(&self.0.target).finish()
    }
}

/// One service, as one client sees it.
pub(crate) struct Callee {
    target: Target,
    connector: Connector,
    policy: Policy,
    endpoints: OnceLock<Endpoints>,
    breaker: Mutex<Breaker>,
    budget: Mutex<Budget>,
    dice: Arc<Dice>,
    metrics: Metrics,
}

impl Callee {
    pub(crate) const fn name(&self) -> &'static str {
        self.metrics.callee
    }

    /// Nothing before the first call.
    pub(crate) fn is_up(&self) -> Option<bool> {
        let now = Instant::now();
        let answers = self.endpoints.get()?.any_answers(now)?;
        Some(answers && !lock(&self.breaker).is_open(now))
    }

    async fn call(self: &Arc<Self>, request: Request<Body>) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        head.extensions.clear();
        let began = Instant::now();
        let method = Method::of(head.uri.path());
        let timeout = method.is_unary().then_some(self.policy.timeout);
        let deadline = Deadline::agree(&head.headers, timeout, began);
        let patience = deadline.patience(self.policy.patience, began);
        let call = Call { method, deadline, patience, longest_pause: self.policy.retry.longest };
        let point = |side: &str| {
            let method = head.uri.path().rsplit('/').next().unwrap_or_default();
            format!("call.{}.{method}.{side}", self.metrics.callee)
        };
        fault::point(|| point("before"));
        let answered = deadline.limit(async {
            // First: who is let through and then sends slowly would keep others out while the service is on trial.
            let payload =
                if method.client_streams { Payload::stream(body) } else { Payload::read(body).await? };
            let now = Instant::now();
            let mut admission = match self.admit(call, now) {
                Ok(admission) => admission,
                Err(again) => return Ok(self.refused(again)),
            };
            lock(&self.budget).earn(now);
            if admission.pass == Pass::Probe {
                return admission.try_out(head.clone(), payload, call).await;
            }
            let (response, verdict) = self.attempts(&head, &payload, call).await;
            admission.verdict = verdict;
            Ok(response)
        });
        let answer = answered.await.flatten().unwrap_or_else(Status::into_http);
        fault::point(|| point("after"));
        answer
    }

    /// The answer, and what it says of the service, if it isn't for the clock to say.
    async fn attempts(
        &self,
        head: &Parts,
        payload: &Payload,
        call: Call,
    ) -> (Response<Body>, Option<Verdict>) {
        let endpoints = self.endpoints();
        let (mut made, mut handed_back, mut was_shed, mut tried) = (1, 0, false, Vec::new());
        loop {
            let failure = match endpoints.acquire(&tried).await {
                Ok(lease) => {
                    let address = lease.endpoint.address;
                    match self.attempt(endpoints, lease, head, payload, call, made).await {
                        Ok(response) => {
                            seen(address, made);
                            return (response, Some(Verdict::Answered));
                        }
                        Err(failure) if failure.reason == Reason::Unsent => failure,
                        Err(failure) => {
                            tried.push(address);
                            failure
                        }
                    }
                }
                Err(Unreachable::NotConnected) => {
                    self.metrics.attempt(Reason::NotConnected.name());
                    Box::new(Failure::below_grpc(Reason::NotConnected, None))
                }
                Err(Unreachable::Nobody) => {
                    return (retry::unreachable("no endpoint is known").into_http(), Some(Verdict::Unknown));
                }
            };
            if failure.reason == Reason::Unsent && handed_back < HANDED_BACK && payload.is_at_hand() {
                handed_back += 1;
                self.metrics.retry(failure.reason);
                continue;
            }
            // Once: if two are overloaded, so are the others.
            let may_move = failure.reason != Reason::Shed
                || (!was_shed && tried.last().is_some_and(|shed| endpoints.has_another(*shed)));
            was_shed |= failure.reason == Reason::Shed;
            let pause = may_move.then(|| self.pause(&failure, payload, call, made)).flatten();
            let Some(pause) = pause else {
                let verdict = match failure.reason {
                    Reason::Expired => None,
                    Reason::Deferred | Reason::Shed => Some(Verdict::Answered),
                    _ => Some(Verdict::Failed),
                };
                if let Some(address) = tried.last() {
                    seen(*address, made);
                }
                return (failure.answer, verdict);
            };
            self.metrics.retry(failure.reason);
            retried(failure.reason, tried.last(), made);
            drop(failure);
            sleep(pause).await;
            made += 1;
        }
    }

    async fn attempt(
        &self,
        endpoints: &Endpoints,
        lease: Lease,
        head: &Parts,
        payload: &Payload,
        call: Call,
        made: u32,
    ) -> Result<Response<Body>, Box<Failure>> {
        let Some(body) = payload.body() else {
            return Err(Box::new(Failure::below_grpc(Reason::Lost, None)));
        };
        let address = lease.endpoint.address;
        let give_up = || {
            call.method.is_idempotent
                && payload.is_kept()
                && made < self.policy.retry.attempts
                && endpoints.has_another(address)
                && lock(&self.breaker).is_closed()
                && lock(&self.budget).spend()
        };
        attempt::send(endpoints, self.metrics, lease, (head, body), call, give_up).await
    }

    /// How long to wait before the next attempt, if there may be one.
    fn pause(&self, failure: &Failure, payload: &Payload, call: Call, made: u32) -> Option<Duration> {
        let pause = retry::pause(self.policy.retry, call.method, failure, made, &self.dice)?;
        let is_in_time = !call.deadline.is_before(Instant::now() + pause);
        if !is_in_time || !payload.is_at_hand() || !lock(&self.breaker).is_closed() {
            return None;
        }
        // Who left a silent endpoint has paid.
        let is_paid = failure.reason == Reason::Silent || lock(&self.budget).spend();
        if !is_paid {
            self.metrics.budget_exhausted();
            Span::current().add_event("retry budget exhausted", Vec::new());
        }
        is_paid.then_some(pause)
    }

    fn admit(self: &Arc<Self>, call: Call, now: Instant) -> Result<Admission, Duration> {
        let pass = lock(&self.breaker).admit(now)?;
        Ok(Admission { callee: self.clone(), pass, call, began: now, verdict: None })
    }

    fn refused(&self, again: Duration) -> Response<Body> {
        self.metrics.refused_by_breaker();
        Span::current().set_attribute("mesh.breaker", "open");
        let mut details = ErrorDetails::with_retry_info(Some(again));
        details.set_error_info(
            "CIRCUIT_OPEN",
            retry::DOMAIN,
            [("service".to_owned(), self.metrics.callee.to_owned())],
        );
        Status::with_error_details(Code::Unavailable, "the service fails and is not asked", details)
            .into_http()
    }

    fn endpoints(&self) -> &Endpoints {
        self.endpoints.get_or_init(|| {
            let authority = self.target.authority().and_then(|authority| authority.parse().ok());
            let around = Surroundings {
                connector: self.connector.clone(),
                connections: self.policy.connections_per_endpoint,
                outlier: self.policy.outlier,
                authority,
                dice: self.dice.clone(),
                doubts: Arc::new(Notify::new()),
                changed: Arc::new(watch::channel(()).0),
                metrics: self.metrics,
            };
            Endpoints::follow(&self.target, self.policy.kubernetes.clone(), around)
        })
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        if !lock(&self.breaker).is_closed() {
            self.metrics.breakers_open(-1);
        }
    }
}

/// One call's way through the breaker; says how it went also when it is dropped.
struct Admission {
    callee: Arc<Callee>,
    pass: Pass,
    call: Call,
    began: Instant,
    verdict: Option<Verdict>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let now = Instant::now();
        let verdict = self.verdict.unwrap_or_else(|| {
            if self.call.has_expired(self.began, now) { Verdict::Failed } else { Verdict::Unknown }
        });
        let metrics = self.callee.metrics;
        match lock(&self.callee.breaker).note(self.pass, verdict, now) {
            Some(Turn::Opened) => {
                metrics.breakers_open(1);
                tracing::warn!(callee = metrics.callee, "fails and is not asked for a while");
            }
            Some(Turn::Closed) => {
                metrics.breakers_open(-1);
                tracing::info!(callee = metrics.callee, "is asked again");
            }
            None => {}
        }
    }
}

/// Says on the client span who was asked.
fn seen(address: SocketAddr, made: u32) {
    let span = Span::current();
    span.set_attribute("network.peer.address", address.ip().to_string());
    span.set_attribute("network.peer.port", i64::from(address.port()));
    if made > 1 {
        span.set_attribute("mesh.attempts", i64::from(made));
    }
}

fn retried(reason: Reason, address: Option<&SocketAddr>, made: u32) {
    let mut attributes =
        vec![KeyValue::new("mesh.reason", reason.name()), KeyValue::new("mesh.attempt", i64::from(made))];
    attributes.extend(address.map(|address| KeyValue::new("mesh.endpoint", address.to_string())));
    Span::current().add_event("retry", attributes);
}
