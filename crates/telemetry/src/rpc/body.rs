//! The response body of a call, which ends the call when it ends.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use tonic::Code;

use super::call::{self, Call};

/// A body that ends its call's span and measurement with its trailers.
#[derive(Debug)]
pub struct Measured<B> {
    inner: B,
    call: Call,
}

impl<B> Measured<B> {
    pub(super) fn new(inner: B, call: Call) -> Self {
        Self { inner, call }
    }
}

impl<B: Body + Unpin> Body for Measured<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        let entered = this.call.span().clone().entered();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        drop(entered);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(call::status) {
                    this.call.end(code);
                }
            }
            // A stream that breaks off, or ends without saying how.
            Some(Err(_)) => this.call.end(Code::Unavailable),
            None => this.call.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
