//! What strangers may ask, but not for long.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body};

/// For all the questions that a tool asks about the contract.
const LASTS: Duration = Duration::from_secs(10);

/// A stream of questions that ends by itself, and with it the answers to them.
pub(crate) struct Brief {
    inner: Body,
    ends: Pin<Box<Sleep>>,
}

impl Brief {
    pub(crate) fn new(inner: Body) -> Self {
        Self { inner, ends: Box::pin(sleep(LASTS)) }
    }
}

impl HttpBody for Brief {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ends.as_mut().poll(context).is_ready() {
            self.inner = Body::empty();
            return Poll::Ready(None);
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::{StreamExt as _, stream};
    use tokio::time::Instant;

    use super::*;

    async fn next(brief: &mut Brief) -> Option<Bytes> {
        let frame = poll_fn(|context| Pin::new(&mut *brief).poll_frame(context)).await?;
        frame.unwrap().into_data().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn questions_are_heard_until_it_is_enough() {
        let asked = stream::iter([Ok::<_, Status>(Bytes::from_static(b"?"))]).chain(stream::pending());
        let asked = Body::new(axum::body::Body::from_stream(asked));
        let (mut brief, begun) = (Brief::new(asked), Instant::now());
        assert_eq!(next(&mut brief).await, Some(Bytes::from_static(b"?")));
        assert_eq!(next(&mut brief).await, None);
        assert_eq!(begun.elapsed(), LASTS);
        assert_eq!(next(&mut brief).await, None);
    }
}
