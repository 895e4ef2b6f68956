//! One attempt of a call at one endpoint, and what it says of the endpoint.

use std::{pin::pin, sync::Arc, time::Duration};

use http::{Request, Response, Version, header, request::Parts};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, body::Body};

use crate::{
    answer::Answer,
    connection::SILENCE,
    contract::Method,
    deadline::{self, Deadline},
    endpoint::{Endpoint, Lease},
    endpoints::Endpoints,
    metrics::Metrics,
    retry::{self, Failure, Pushback, Reason},
};

/// What is the same at each attempt of a call.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) deadline: Deadline,
    /// Who has waited for so long and got nothing holds it against the callee.
    pub(crate) patience: Duration,
    /// A callee that asks for a longer pause is not called again.
    pub(crate) longest_pause: Duration,
}

impl Call {
    /// Whether a call that ends now, without an answer, ends because the callee was too slow.
    pub(crate) fn has_expired(&self, began: Instant, now: Instant) -> bool {
        self.deadline.has_come(now) && now - began >= self.patience
    }
}

/// Sends a request. `give_up` is asked when the other side has fallen silent: whether to try elsewhere.
pub(crate) async fn send(
    endpoints: &Endpoints,
    metrics: Metrics,
    mut lease: Lease,
    (head, body): (&Parts, Body),
    call: Call,
    give_up: impl Fn() -> bool,
) -> Result<Response<Body>, Box<Failure>> {
    let began = Instant::now();
    let mut request = Request::from_parts(head.clone(), body);
    *request.uri_mut() = lease.endpoint.uri(head.uri.path_and_query());
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(header::HOST);
    call.deadline.tell(request.headers_mut(), began);

    let trial = Trial { endpoints, metrics, endpoint: lease.endpoint.clone(), call, began, is_over: false };
    if call.method.is_unary() {
        lease.endpoint.begun(began);
    }
    let exchanged = {
        let line = lease.line.clone();
        let mut exchange = pin!(exchange(&mut lease, request, call.method));
        let mut look = began + SILENCE;
        loop {
            if let Ok(exchanged) = timeout_at(look, exchange.as_mut()).await {
                break exchanged;
            }
            let (now, silent) = (Instant::now(), line.last_heard() + SILENCE);
            if silent <= now && give_up() {
                break Err(Box::new(Failure::below_grpc(Reason::Silent, None)));
            }
            look = if silent <= now { now + SILENCE } else { silent };
        }
    };
    match exchanged {
        Err(failure) => {
            if matches!(failure.reason, Reason::Unsent | Reason::GoAway) {
                lease.spent();
            }
            trial.failed(failure.reason);
            Err(failure)
        }
        Ok(answer) if answer.code == Some(Code::Unavailable) => {
            let pushback = Pushback::of(answer.last_headers());
            let reason = match Reason::of_unavailable(answer.last_headers()) {
                Reason::Unavailable if pushback.is_beyond(call.longest_pause) => Reason::Deferred,
                reason => reason,
            };
            trial.failed(reason);
            let answer = answer.into_response(call.deadline, lease);
            Err(Box::new(Failure { reason, pushback, answer }))
        }
        Ok(answer) if answer.code.is_some_and(|code| call.deadline.is_expiry(code, Instant::now())) => {
            // As if its own timer hadn't been the first.
            drop(trial);
            let answer = deadline::exceeded().into_http();
            Err(Box::new(Failure { reason: Reason::Expired, pushback: Pushback::Silent, answer }))
        }
        Ok(answer)
            if answer.code == Some(Code::ResourceExhausted) && retry::is_shed(answer.last_headers()) =>
        {
            trial.failed(Reason::Shed);
            let answer = answer.into_response(call.deadline, lease);
            // When to come back is of this replica: the call goes to another or nowhere.
            Err(Box::new(Failure { reason: Reason::Shed, pushback: Pushback::Silent, answer }))
        }
        Ok(answer) => {
            trial.answered(&answer);
            Ok(answer.into_response(call.deadline, lease))
        }
    }
}

async fn exchange(lease: &mut Lease, request: Request<Body>, method: Method) -> Result<Answer, Box<Failure>> {
    let lost = |reason, error: &hyper::Error| Box::new(Failure::below_grpc(reason, Some(error)));
    let response = match lease.sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            // Handed back, so it never left; if it waits for another attempt, its body goes home.
            let is_unsent = error.take_message().is_some() || error.error().is_canceled();
            let reason = if is_unsent { Reason::Unsent } else { Reason::of(error.error()) };
            return Err(lost(reason, error.error()));
        }
    };
    if method.is_unary() {
        Answer::whole(response).await.map_err(|error| lost(Reason::Lost, &error))
    } else {
        Ok(Answer::streamed(response))
    }
}

/// Notes what became of an attempt, also of one that is dropped.
struct Trial<'a> {
    endpoints: &'a Endpoints,
    metrics: Metrics,
    endpoint: Arc<Endpoint>,
    call: Call,
    began: Instant,
    is_over: bool,
}

impl Trial<'_> {
    fn end(&mut self, outcome: &'static str) -> (Duration, Instant) {
        self.is_over = true;
        self.metrics.attempt(outcome);
        let now = Instant::now();
        (now - self.began, now)
    }

    fn answered(mut self, answer: &Answer) {
        let (took, now) = self.end("answered");
        match answer.code {
            Some(Code::ResourceExhausted) if retry::is_backlogged(answer.last_headers()) => {
                self.endpoint.erred(took, now);
            }
            Some(Code::Internal | Code::Unknown | Code::DataLoss) => self.endpoint.faltered(took, now),
            _ => self.endpoint.answered(self.call.method.is_unary().then_some(took), now),
        }
    }

    fn failed(mut self, reason: Reason) {
        let (took, now) = self.end(reason.name());
        match reason {
            // A connection that closes in good order says nothing against its endpoint.
            Reason::Unsent | Reason::GoAway => {}
            Reason::Deferred | Reason::Shed => self.endpoint.erred(took, now),
            _ => self.endpoints.failed(&self.endpoint, took, now),
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.call.method.is_unary() {
            self.endpoint.ended();
        }
        if self.is_over {
            return;
        }
        let is_late = self.call.has_expired(self.began, Instant::now());
        let (took, now) = self.end(if is_late { "expired" } else { "given_up" });
        if is_late {
            self.endpoints.failed(&self.endpoint, took, now);
        }
    }
}
