//! A request body that comes back if nothing was read from it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use crate::endpoint::lock;

/// Where an unread body is left. Finding it there proves that not a byte of it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Home(Arc<Mutex<Option<Body>>>);

impl Home {
    pub(crate) fn of(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    pub(crate) fn is_full(&self) -> bool {
        lock(&self.0).is_some()
    }

    pub(crate) fn lend(&self) -> Option<Body> {
        let body = lock(&self.0).take()?;
        Some(Body::new(Lent { body, is_unread: true, home: self.clone() }))
    }
}

struct Lent {
    body: Body,
    is_unread: bool,
    home: Home,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.is_unread = false;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // An empty body is lent as well: it has to come back too.
        !self.is_unread && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_unread {
            let body = std::mem::take(&mut self.body);
            *lock(&self.home.0) = Some(body);
        }
    }
}
