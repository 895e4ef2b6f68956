//! What goes out: answers that last, streams, end in time and in good order.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, body::Body};

use super::{
    complete::complete,
    deadline::Deadline,
    request_id::RequestId,
    session::{End, Session},
};
use crate::status;

/// When to come back after the server stopped: at once, another replica is there.
pub(super) const ELSEWHERE: Duration = Duration::from_millis(100);

/// A response body that ends with `DEADLINE_EXCEEDED` when the time is up, with UNAUTHENTICATED when its caller's sign-in
/// ends, with UNAVAILABLE when the server stops and the stream has nothing more to say, and with INTERNAL when what makes
/// it panics. Its errors have their details.
pub(crate) struct Guarded {
    inner: Body,
    limits: Limits,
    /// Made when the body turns out to last: it has to wait, or goes on after a message. The answer of a unary call does
    /// neither.
    waits: Option<Waits>,
    has_answered: bool,
    has_ended: bool,
}

/// What ends a body that lasts.
pub(crate) struct Limits {
    pub(crate) deadline: Deadline,
    pub(crate) session: Session,
    pub(crate) streams_end: CancellationToken,
    /// Told in every error.
    pub(crate) request_id: RequestId,
}

struct Waits {
    deadline: Option<Pin<Box<Sleep>>>,
    session_end: Option<End>,
    streams_end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Waits {
    fn new(limits: &Limits) -> Self {
        Self {
            deadline: limits.deadline.0.map(|deadline| Box::pin(sleep_until(deadline))),
            session_end: limits.session.end(),
            streams_end: Box::pin(limits.streams_end.clone().cancelled_owned()),
        }
    }

    /// What ends the stream whatever it still has to say.
    fn poll_limits(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready()) {
            return Poll::Ready(status::deadline_exceeded());
        }
        match &mut self.session_end {
            Some(end) => end.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl Guarded {
    pub(crate) const fn new(inner: Body, limits: Limits) -> Self {
        Self { inner, limits, waits: None, has_answered: false, has_ended: false }
    }

    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.has_ended = true;
        // Stops the work behind the stream now; the connection may live on for long.
        self.inner = Body::empty();
        let mut trailers = HeaderMap::new();
        let written = status.add_header(&mut trailers);
        complete(&mut trailers, &self.limits.request_id);
        Poll::Ready(Some(written.map(|()| Frame::trailers(trailers))))
    }
}

impl Guarded {
    fn pass(&mut self, frame: Option<Result<Frame<Bytes>, Status>>) -> Option<Result<Frame<Bytes>, Status>> {
        let mut frame = frame?;
        if let Ok(frame) = &mut frame {
            if let Some(trailers) = frame.trailers_mut() {
                complete(trailers, &self.limits.request_id);
            } else if !self.has_answered {
                self.has_answered = true;
            } else if self.waits.is_none() {
                self.waits = Some(Waits::new(&self.limits));
            }
        }
        Some(frame)
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        if let Some(waits) = &mut this.waits
            && let Poll::Ready(status) = waits.poll_limits(context)
        {
            return this.end(&status);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.inner).poll_frame(context)));
        match polled {
            Err(_panic) => return this.end(&status::internal()),
            Ok(Poll::Ready(frame)) => return Poll::Ready(this.pass(frame)),
            Ok(Poll::Pending) => {}
        }
        if this.waits.is_none() {
            let waits = this.waits.insert(Waits::new(&this.limits));
            if let Poll::Ready(status) = waits.poll_limits(context) {
                return this.end(&status);
            }
        }
        let stops =
            this.waits.as_mut().is_some_and(|waits| waits.streams_end.as_mut().poll(context).is_ready());
        if stops { this.end(&status::unavailable(ELSEWHERE)) } else { Poll::Pending }
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.has_ended { SizeHint::with_exact(0) } else { self.inner.size_hint() }
    }
}

#[cfg(test)]
mod tests;
