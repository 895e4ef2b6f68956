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

/// How long a stream may be silent while its handler waits for more.
const SILENCE: Duration = Duration::from_secs(30);

/// What is asked. The one message of a unary call comes in good time, and a stream does not fall silent, or they are given
/// up with `DEADLINE_EXCEEDED`, so that who begins calls and doesn't end them fills neither memory nor places.
pub(crate) struct Arriving<B = Incoming> {
    inner: B,
    expects: Expects,
    begun: Instant,
    /// Made when there is something to wait for, and for each silence of a stream.
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

impl<B> Arriving<B> {
    pub(super) fn new(inner: B, expects: Expects) -> Self {
        Self { inner, expects, begun: Instant::now(), waits: None }
    }

    /// Whether it is a stream of the shop's contract.
    pub(crate) fn is_stream(&self) -> bool {
        self.expects == Expects::Stream
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            this.waits = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let due = match this.expects {
            Expects::OneMessage => this.begun + ARRIVAL,
            Expects::Stream => Instant::now() + SILENCE,
            Expects::Questions => return Poll::Pending,
        };
        let late = this.waits.get_or_insert_with(|| Box::pin(sleep_until(due)));
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

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use tokio::time::sleep;
    use tonic::{Code, Status};

    use super::*;

    /// Five chunks with pauses of eight seconds before them, and silence after.
    fn chunks() -> axum::body::Body {
        let chunks = stream::iter(0..5).then(|_| async {
            sleep(Duration::from_secs(8)).await;
            Ok::<_, Status>(Bytes::from_static(b"chunk"))
        });
        axum::body::Body::from_stream(chunks.chain(stream::pending()))
    }

    /// How many chunks come, and how the body ends.
    async fn read(expects: Expects, work: Duration) -> (usize, Code) {
        let mut body = Arriving::new(chunks(), expects);
        let mut chunks = 0;
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            match frame.unwrap() {
                Ok(_) => chunks += 1,
                Err(error) => return (chunks, error.downcast::<Status>().unwrap().code()),
            }
            sleep(work).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_message_comes_in_good_time() {
        assert_eq!(read(Expects::OneMessage, Duration::ZERO).await, (1, Code::DeadlineExceeded));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_last_but_not_fall_silent() {
        let begun = Instant::now();
        assert_eq!(read(Expects::Stream, Duration::ZERO).await, (5, Code::DeadlineExceeded));
        assert_eq!(begun.elapsed(), Duration::from_secs(5 * 8) + SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_not_silent_while_nobody_listens() {
        assert_eq!(read(Expects::Stream, SILENCE * 2).await, (5, Code::DeadlineExceeded));
    }
}
