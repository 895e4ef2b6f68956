//! What the service answers.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Code, Status, body::Body};

use super::{Rules, upload::Refused};
use server::framing::Framing;

use crate::{headers, status};

/// A response body that always says how it ended: where the service broke off, with UNAVAILABLE; at a message that is
/// too large to be passed on, or when the upload was refused meanwhile, with `RESOURCE_EXHAUSTED`; and a stream with
/// UNAVAILABLE as well when the gateway stops and nothing more is to be said.
pub(super) struct Answer {
    inner: Body,
    framing: Framing,
    refused: Refused,
    /// Of a stream; one message is waited for.
    streams_end: Option<CancellationToken>,
    /// Made when the stream first has to wait.
    waits: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// What to end with once the messages before have been passed on.
    last: Option<Status>,
    has_ended: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Answer {
    /// Of one message if it has the place of its call, and else a stream.
    pub(super) fn new(
        inner: Body,
        rules: &Rules,
        refused: Refused,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            inner,
            framing: Framing::new(rules.max_message),
            refused,
            streams_end: place.is_none().then(|| rules.streams_end.clone()),
            waits: None,
            last: None,
            has_ended: false,
            _place: place,
        }
    }

    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.has_ended = true;
        // Cancels the call in the service now; the connection lives on.
        self.inner = Body::empty();
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(streams_end) = &self.streams_end else { return Poll::Pending };
        let waits = self.waits.get_or_insert_with(|| Box::pin(streams_end.clone().cancelled_owned()));
        ready!(waits.as_mut().poll(context));
        self.end(&status::stopping())
    }

    fn data(&mut self, mut chunk: Bytes) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Err(too_large) = self.framing.follow(&chunk) {
            let refusal = status::too_large(too_large.bytes, self.framing.most());
            if too_large.begins == 0 {
                return self.end(&refusal);
            }
            chunk.truncate(too_large.begins);
            self.last = Some(refusal);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

impl HttpBody for Answer {
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
        if let Some(status) = this.last.take() {
            return this.end(&status);
        }
        if let Poll::Ready(status) = this.refused.poll(context) {
            return this.end(&status);
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Pending => return this.wait(context),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(status))) if status.code() == Code::DeadlineExceeded => {
                return this.end(&status);
            }
            Poll::Ready(Some(Err(cause))) => {
                tracing::warn!(%cause, "a service broke off its answer");
                return this.end(&status::broke_off());
            }
            Poll::Ready(None) => return this.end(&status::broke_off()),
        };
        match frame.into_data() {
            Ok(chunk) => this.data(chunk),
            Err(frame) => {
                this.has_ended = true;
                let frame = frame.into_trailers().map(|mut trailers| {
                    headers::clean_response(&mut trailers);
                    Frame::trailers(trailers)
                });
                Poll::Ready(frame.ok().map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}
