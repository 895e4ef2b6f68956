//! What comes in: no larger than we read, and the sender's fault if it can't be read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Code, Status, body::Body};

use super::{
    outgoing::ELSEWHERE,
    session::{End, Session},
};
use crate::{framing::Framing, shed::Arriving, status};

/// The largest message read. The largest one that passes validation has some 100 kB.
const MAX_MESSAGE: usize = 256 * 1024;

/// A request body that ends with `RESOURCE_EXHAUSTED` at the first message that is too large, before it is read; and a
/// stream with what [`Ends`] it too.
pub(crate) struct Limited {
    inner: Arriving,
    framing: Framing,
    /// Of a stream. A unary call that was admitted is answered: signing out must not cut itself off.
    ends: Option<Ends>,
}

/// What ends a stream that the client sends: with UNAUTHENTICATED the end of its sign-in, and with UNAVAILABLE that of the
/// server, when nothing is there to be read.
pub(crate) struct Ends {
    session: Option<End>,
    server: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Ends {
    pub(crate) fn new(session: &Session, streams_end: &CancellationToken) -> Self {
        Self { session: session.end(), server: Box::pin(streams_end.clone().cancelled_owned()) }
    }

    fn poll_session(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        self.session.as_mut().map_or(Poll::Pending, |end| end.as_mut().poll(context))
    }
}

impl Limited {
    pub(crate) const fn new(inner: Arriving, ends: Option<Ends>) -> Self {
        Self { inner, framing: Framing::new(MAX_MESSAGE), ends }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Some(ends) = &mut this.ends
            && let Poll::Ready(status) = ends.poll_session(context)
        {
            return Poll::Ready(Some(Err(status.into())));
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Pending => {
                let Some(ends) = &mut this.ends else { return Poll::Pending };
                ready!(ends.server.as_mut().poll(context));
                return Poll::Ready(Some(Err(status::unavailable(ELSEWHERE).into())));
            }
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(ended) => return Poll::Ready(ended),
        };
        if let Some(Err(too_large)) = frame.data_ref().map(|chunk| this.framing.follow(chunk)) {
            return Poll::Ready(Some(Err(Box::new(status::too_large(too_large.bytes, MAX_MESSAGE)))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// tonic answers INTERNAL to a message that it can't decode, as if the defect were ours.
pub(crate) fn blame_the_caller(response: Response<Body>) -> Response<Body> {
    const UNREADABLE: [&str; 3] =
        ["failed to decode Protobuf message", "Missing request message", "protocol error"];
    match Status::from_header_map(response.headers()) {
        Some(status)
            if status.code() == Code::Internal
                && UNREADABLE.iter().any(|unreadable| status.message().starts_with(unreadable)) =>
        {
            status::malformed().into_http()
        }
        _ => response,
    }
}
