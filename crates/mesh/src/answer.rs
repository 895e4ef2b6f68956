//! What comes back: a unary answer is read whole before it counts, a stream is handed on under its deadline.

use std::{
    collections::VecDeque,
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status, body::Body};

use crate::{
    deadline::{self, Deadline},
    endpoint::Lease,
    retry,
};

/// What is read of a unary answer before it is handed on, in bytes.
const LARGEST: usize = 256 * 1024;

/// An answer as far as it has come.
pub(crate) struct Answer {
    response: Response<()>,
    frames: VecDeque<Frame<Bytes>>,
    rest: Option<Incoming>,
    /// Where the callee has already said how it ended.
    pub(crate) code: Option<Code>,
}

impl Answer {
    /// The headers, and the rest comes as it will.
    pub(crate) fn streamed(response: Response<Incoming>) -> Self {
        let code = retry::code_of(&response, None);
        let (head, body) = response.into_parts();
        Self { response: Response::from_parts(head, ()), frames: VecDeque::new(), rest: Some(body), code }
    }

    /// Up to the trailers: a connection that breaks before them has answered nothing.
    pub(crate) async fn whole(response: Response<Incoming>) -> Result<Self, hyper::Error> {
        let mut answer = Self::streamed(response);
        let Some(mut body) = answer.rest.take() else { return Ok(answer) };
        let mut size = 0;
        while let Some(frame) = body.frame().await.transpose()? {
            size += frame.data_ref().map_or(0, Bytes::len);
            if let Some(trailers) = frame.trailers_ref() {
                answer.code = retry::code_of(&answer.response, Some(trailers));
            }
            answer.frames.push_back(frame);
            if size > LARGEST {
                answer.rest = Some(body);
                break;
            }
        }
        Ok(answer)
    }

    /// Where the callee may have said when to come back.
    pub(crate) fn last_headers(&self) -> &HeaderMap {
        let trailers = self.frames.back().and_then(Frame::trailers_ref);
        trailers.unwrap_or_else(|| self.response.headers())
    }

    pub(crate) fn into_response(self, deadline: Deadline, lease: Lease) -> Response<Body> {
        let Self { response, frames, rest, code: _ } = self;
        let rest = rest.map(|body| Timed::new(body, deadline, lease));
        response.map(|()| Body::new(Resumed { frames, rest }))
    }
}

struct Resumed {
    frames: VecDeque<Frame<Bytes>>,
    rest: Option<Timed>,
}

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.rest.as_mut().map_or(Poll::Ready(None), |rest| rest.poll(context))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.as_ref().is_none_or(Timed::has_ended)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A body that is still coming, under the call's deadline; counts as a call under way until it has come.
struct Timed {
    body: Incoming,
    deadline: Deadline,
    expiry: Option<Pin<Box<Sleep>>>,
    is_over: bool,
    _lease: Lease,
}

impl Timed {
    fn new(body: Incoming, deadline: Deadline, lease: Lease) -> Self {
        let expiry = deadline.at().map(|deadline| Box::pin(sleep_until(deadline)));
        Self { body, deadline, expiry, is_over: false, _lease: lease }
    }

    fn has_ended(&self) -> bool {
        use http_body::Body as _;

        self.is_over || self.body.is_end_stream()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        use http_body::Body as _;

        if self.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| self.broken_off(error))));
        }
        if self.expiry.as_mut().is_some_and(|expiry| expiry.as_mut().poll(context).is_ready()) {
            self.is_over = true;
            return Poll::Ready(Some(Err(deadline::exceeded())));
        }
        Poll::Pending
    }

    /// A connection lost in the middle of an answer; tonic would say UNKNOWN, CANCELLED or INTERNAL.
    fn broken_off(&mut self, failure: hyper::Error) -> Status {
        self.is_over = true;
        if self.deadline.is_before(Instant::now()) {
            return deadline::exceeded();
        }
        let mut status = retry::unreachable("the answer broke off");
        status.set_source(Arc::new(failure));
        status
    }
}
