//! What comes in: no larger than we read, and the sender's fault if it can't be read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status, body::Body};

use crate::{shed::Arriving, status};

/// The largest message read. The largest one that passes validation has some 100 kB.
const MAX_MESSAGE: usize = 256 * 1024;
/// A compression flag and four bytes of length precede each message.
const PREFIX: usize = 5;

/// A request body that ends with `RESOURCE_EXHAUSTED` at the first message that is too large, before it is read.
pub(crate) struct Limited {
    inner: Arriving,
    prefix: [u8; PREFIX],
    prefix_read: usize,
    message_left: usize,
}

impl Limited {
    pub(crate) const fn new(inner: Arriving) -> Self {
        Self { inner, prefix: [0; PREFIX], prefix_read: 0, message_left: 0 }
    }

    /// Follows the messages through a chunk, which may begin and end anywhere in one.
    fn follow(&mut self, mut chunk: &[u8]) -> Result<(), Box<Status>> {
        while !chunk.is_empty() {
            if self.message_left > 0 {
                let read = self.message_left.min(chunk.len());
                self.message_left -= read;
                chunk = &chunk[read..];
                continue;
            }
            let read = (PREFIX - self.prefix_read).min(chunk.len());
            self.prefix[self.prefix_read..][..read].copy_from_slice(&chunk[..read]);
            self.prefix_read += read;
            chunk = &chunk[read..];
            if self.prefix_read == PREFIX {
                self.prefix_read = 0;
                let [_, length @ ..] = self.prefix;
                self.message_left = u32::from_be_bytes(length) as usize;
                if self.message_left > MAX_MESSAGE {
                    return Err(Box::new(status::too_large(self.message_left, MAX_MESSAGE)));
                }
            }
        }
        Ok(())
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
        if let Some(Err(too_large)) = frame.data_ref().map(|chunk| self.follow(chunk)) {
            return Poll::Ready(Some(Err(too_large)));
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
