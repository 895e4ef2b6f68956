//! What the client sends.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, body::Body};

use server::framing::Framing;

use super::Rules;
use crate::status;

/// How long the one message of a call may take to come; services wait no longer either.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(10);

/// How long a stream may be silent; to services too.
const SILENCE: Duration = Duration::from_secs(30);

/// A request body that counts, and stops at the first message that is too large, before any of it is passed on. Where
/// there is only one message it must come in good time, and a stream must not fall silent: else who begins calls and
/// doesn't end them takes the places of all. A stream that waits also ends with the gateway.
///
/// It then stays silent: what ends the call is the refusal, not a broken stream, which the callee would be blamed for.
pub(super) struct Upload {
    inner: Body,
    framing: Framing,
    received: Arc<AtomicU64>,
    /// Of the one message.
    due: Option<Instant>,
    /// Of a stream.
    streams_end: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Made when there is something to wait for, and for each silence of a stream.
    late: Option<Pin<Box<Sleep>>>,
    refuse: Option<oneshot::Sender<Status>>,
}

/// Why an upload was refused, once it is.
#[derive(Debug)]
pub(super) struct Refused(Option<oneshot::Receiver<Status>>);

impl Upload {
    pub(super) fn new(
        inner: Body,
        is_one_message: bool,
        rules: &Rules,
        received: Arc<AtomicU64>,
    ) -> (Self, Refused) {
        let (refuse, refused) = oneshot::channel();
        let framing = Framing::new(rules.max_message);
        let due = is_one_message.then(|| Instant::now() + ARRIVAL);
        let streams_end = (!is_one_message).then(|| Box::pin(rules.streams_end.clone().cancelled_owned()));
        let upload = Self { inner, framing, received, due, streams_end, late: None, refuse: Some(refuse) };
        (upload, Refused(Some(refused)))
    }

    fn refuse<T>(&mut self, status: Status) -> Poll<T> {
        if let Some(refuse) = self.refuse.take() {
            // Nobody listens any more if the call has ended.
            let _ = refuse.send(status);
        }
        self.inner = Body::empty();
        Poll::Pending
    }

    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<T> {
        if self.streams_end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready()) {
            return self.refuse(status::stopping());
        }
        let due = self.due.unwrap_or_else(|| Instant::now() + SILENCE);
        let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(due)));
        ready!(late.as_mut().poll(context));
        self.refuse(server::status::deadline_exceeded())
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.refuse.is_none() {
            return Poll::Pending;
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Pending => return this.wait(context),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(_))) => return this.refuse(status::malformed()),
            Poll::Ready(None) => return Poll::Ready(None),
        };
        this.late = None;
        // gRPC's requests have no trailers: what stands there is none of the headers that are cleaned.
        let Ok(chunk) = frame.into_data() else { return Poll::Ready(None) };
        this.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if let Err(too_large) = this.framing.follow(&chunk) {
            return this.refuse(status::too_large(too_large.bytes, this.framing.most()));
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.refuse.is_some() && self.inner.is_end_stream()
    }
}

impl Refused {
    pub(super) async fn next(&mut self) -> Status {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Pending for ever once the upload has ended well.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        let Some(refused) = &mut self.0 else { return Poll::Pending };
        let outcome = ready!(Pin::new(refused).poll(context));
        self.0 = None;
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}
