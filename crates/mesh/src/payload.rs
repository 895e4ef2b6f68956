//! What a request carries, kept for as long as another attempt is possible.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use tonic::{Status, body::Body};

use crate::lent::Home;

/// What is kept of one request, in bytes. Larger ones, and streams, are sent again only if nothing was read from them.
const LARGEST: usize = 256 * 1024;

pub(crate) enum Payload {
    Kept(Bytes),
    Once(Home),
}

impl Payload {
    pub(crate) fn stream(body: Body) -> Self {
        Self::Once(Home::of(body))
    }

    /// Reads a unary request's message, which its caller has at hand.
    pub(crate) async fn read(mut body: Body) -> Result<Self, Status> {
        let mut frames = VecDeque::new();
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            // gRPC requests have no trailers.
            let Ok(data) = frame.into_data() else { continue };
            size += data.len();
            frames.push_back(data);
            if size > LARGEST {
                return Ok(Self::stream(Body::new(Begun { frames, rest: body })));
            }
        }
        Ok(Self::Kept(match frames.pop_front() {
            Some(only) if frames.is_empty() => only,
            first => {
                let mut message = BytesMut::with_capacity(size);
                first.into_iter().chain(frames).for_each(|part| message.extend_from_slice(&part));
                message.freeze()
            }
        }))
    }

    /// The body of the next attempt, if there may be one.
    pub(crate) fn body(&self) -> Option<Body> {
        match self {
            Self::Kept(bytes) => Some(Body::new(Full::new(bytes.clone()))),
            Self::Once(home) => home.lend(),
        }
    }

    /// Whether there is a next body.
    pub(crate) fn is_at_hand(&self) -> bool {
        match self {
            Self::Kept(_) => true,
            Self::Once(home) => home.is_full(),
        }
    }

    pub(crate) const fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

/// A body of which the beginning has been read.
struct Begun {
    frames: VecDeque<Bytes>,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.frames.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(count: usize, size: usize) -> Body {
        Body::new(Begun { frames: vec![Bytes::from(vec![7; size]); count].into(), rest: Body::empty() })
    }

    async fn length(body: Body) -> usize {
        body.collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test]
    async fn a_message_is_sent_as_often_as_needed() {
        for count in [0, 1, 3] {
            let payload = Payload::read(chunks(count, 10)).await.unwrap();
            assert_eq!(length(payload.body().unwrap()).await, count * 10);
            assert_eq!(length(payload.body().unwrap()).await, count * 10);
        }
    }

    #[tokio::test]
    async fn a_large_one_is_sent_whole_but_once() {
        let payload = Payload::read(chunks(5, LARGEST / 2)).await.unwrap();
        drop(payload.body().unwrap());
        assert_eq!(length(payload.body().expect("nothing was read")).await, 5 * (LARGEST / 2));
        assert!(payload.body().is_none());
    }

    #[tokio::test]
    async fn of_a_stream_only_an_unread_one_comes_back() {
        let payload = Payload::stream(chunks(2, 1));
        let mut body = payload.body().unwrap();
        assert!(payload.body().is_none(), "lent");
        assert!(body.frame().await.is_some());
        drop(body);
        assert!(payload.body().is_none());
    }
}
