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
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Status, body::Body};

use super::deadline::Deadline;
use crate::status;

/// When to come back after the server stopped: at once, another replica is there.
const ELSEWHERE: Duration = Duration::from_millis(100);

/// A response body that ends with `DEADLINE_EXCEEDED` when the time is up, with UNAVAILABLE when the server stops and the
/// stream has nothing more to say, and with INTERNAL when what makes it panics.
pub(crate) struct Guarded {
    inner: Body,
    deadline: Deadline,
    streams_end: CancellationToken,
    /// Made when the body first has to wait, which the answer of a unary call never does.
    waits: Option<Waits>,
    has_ended: bool,
}

struct Waits {
    deadline: Option<Pin<Box<Sleep>>>,
    streams_end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Guarded {
    pub(crate) const fn new(inner: Body, deadline: Deadline, streams_end: CancellationToken) -> Self {
        Self { inner, deadline, streams_end, waits: None, has_ended: false }
    }

    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.has_ended = true;
        // Stops the work behind the stream now; the connection may live on for long.
        self.inner = Body::empty();
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn is_late(&self) -> bool {
        self.waits.is_some() && self.deadline.0.is_some_and(|deadline| Instant::now() >= deadline)
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
        if this.is_late() {
            return this.end(&status::deadline_exceeded());
        }
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.inner).poll_frame(context)));
        match polled {
            Err(_panic) => return this.end(&status::internal()),
            Ok(Poll::Ready(frame)) => return Poll::Ready(frame),
            Ok(Poll::Pending) => {}
        }
        let waits = this.waits.get_or_insert_with(|| Waits {
            deadline: this.deadline.0.map(|deadline| Box::pin(sleep_until(deadline))),
            streams_end: Box::pin(this.streams_end.clone().cancelled_owned()),
        });
        if waits.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready()) {
            return this.end(&status::deadline_exceeded());
        }
        if waits.streams_end.as_mut().poll(context).is_ready() {
            return this.end(&status::unavailable(ELSEWHERE));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.has_ended { SizeHint::with_exact(0) } else { self.inner.size_hint() }
    }
}
