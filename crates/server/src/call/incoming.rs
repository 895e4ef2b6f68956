//! What comes in: no larger than we read, and the sender's fault if it can't be read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status, body::Body};

use crate::{framing::Framing, shed::Arriving, status};

/// The largest message read. The largest one that passes validation has some 100 kB.
const MAX_MESSAGE: usize = 256 * 1024;

/// A request body that ends with `RESOURCE_EXHAUSTED` at the first message that is too large, before it is read.
pub(crate) struct Limited {
    inner: Arriving,
    framing: Framing,
}

impl Limited {
    pub(crate) const fn new(inner: Arriving) -> Self {
        Self { inner, framing: Framing::new(MAX_MESSAGE) }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => frame,
        };
        if let Some(Err(too_large)) = frame.data_ref().map(|chunk| self.framing.follow(chunk)) {
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
