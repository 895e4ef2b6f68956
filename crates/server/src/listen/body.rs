//! What goes out over a connection, and when it must end.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::status;

/// When to come back after a stream was ended: at once, over another connection.
const ELSEWHERE: Duration = Duration::from_millis(100);

/// How a connection is used.
pub(super) struct Use(Mutex<State>);

#[derive(Clone, Copy)]
struct State {
    under_way: usize,
    last: Instant,
    was_used: bool,
}

impl Use {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { under_way: 0, last: Instant::now(), was_used: false })))
    }

    /// When a connection with nothing under way is let go, which is `silence` before its first request, and later `idle`
    /// after its last.
    pub(super) fn ends(&self, silence: Duration, idle: Duration) -> Option<Instant> {
        let state = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.under_way == 0).then(|| state.last + if state.was_used { idle } else { silence })
    }

    /// Something is, until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way += 1;
        state.was_used = true;
        drop(state);
        UnderWay(Arc::clone(self))
    }
}

/// A request whose answer hasn't ended.
pub(crate) struct UnderWay(Arc<Use>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way -= 1;
        state.last = Instant::now();
    }
}

/// Among the extensions of an answer that is passed on as it comes: it is one message, which a stop lets come to its end.
#[derive(Clone, Copy, Debug)]
pub struct OneMessage;

/// An answer that, if it is a gRPC stream, ends with UNAVAILABLE when its connection's streams must end and it has
/// nothing more to say.
pub(crate) struct Ending<B> {
    inner: B,
    streams_end: Option<CancellationToken>,
    /// Made when the stream first has to wait, which a unary answer of our own never does.
    waits: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    has_ended: bool,
    _under_way: UnderWay,
}

impl<B> Ending<B> {
    pub(super) fn of(
        answer: Response<B>,
        streams_end: CancellationToken,
        under_way: UnderWay,
    ) -> Response<Self> {
        let is_grpc = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            let kind = kind.as_bytes();
            kind == b"application/grpc" || kind.starts_with(b"application/grpc+")
        });
        let is_stream = is_grpc && answer.extensions().get::<OneMessage>().is_none();
        answer.map(|inner| Self {
            inner,
            streams_end: is_stream.then_some(streams_end),
            waits: None,
            has_ended: false,
            _under_way: under_way,
        })
    }
}

impl<B: Body + Unpin> Body for Ending<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let Some(streams_end) = &this.streams_end else { return Poll::Pending };
        let ends = this.waits.get_or_insert_with(|| Box::pin(streams_end.clone().cancelled_owned()));
        if ends.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        this.has_ended = true;
        let mut trailers = HeaderMap::new();
        // It names nothing that a header can't hold.
        let _ = status::unavailable(ELSEWHERE).add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
