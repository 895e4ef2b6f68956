use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep_until},
};

use crate::status;

/// How long the message of a unary call may take to come. The largest has 256 KiB.
const ARRIVAL: Duration = Duration::from_secs(10);

/// What is asked. The one message of a unary call comes in good time or is given up with `DEADLINE_EXCEEDED`, so that who
/// begins calls and doesn't end them fills no memory.
pub(crate) struct Arriving {
    inner: Incoming,
    expects: Expects,
    begun: Instant,
    /// Made when there is something to wait for.
    waits: Option<Pin<Box<Sleep>>>,
}

/// What a method is asked with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expects {
    OneMessage,
    Stream,
    /// Questions about us, which may last.
    Questions,
}

impl Arriving {
    pub(super) fn new(inner: Incoming, expects: Expects) -> Self {
        Self { inner, expects, begun: Instant::now(), waits: None }
    }

    /// Whether it is a stream of the shop's contract.
    pub(crate) fn is_stream(&self) -> bool {
        self.expects == Expects::Stream
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if this.expects != Expects::OneMessage {
            return Poll::Pending;
        }
        let begun = this.begun;
        let late = this.waits.get_or_insert_with(|| Box::pin(sleep_until(begun + ARRIVAL)));
        ready!(late.as_mut().poll(context));
        Poll::Ready(Some(Err(status::deadline_exceeded().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What is answered, which holds its call's place until it has gone out.
pub(crate) struct Held<B> {
    inner: B,
    _place: Option<OwnedSemaphorePermit>,
}

impl<B> Held<B> {
    pub(super) const fn new(inner: B, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { inner, _place: place }
    }
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
