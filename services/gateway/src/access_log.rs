//! One line a call, written when its answer has ended.
//!
//! No personal data: who calls is told as `user`, `anonymous` or `unverified`, no token and no metadata is written, and
//! the address only where that is configured. `BOOKSTORE_LOG=info,access=off` turns the lines off.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tracing::Span;

use crate::{caller::Kind, limit::Permit, request_id::RequestId};

/// A call under way; it ends once, as CANCELLED if it is dropped before anything else ended it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As the contract names it, and not as the client does, who may name anything.
    pub(crate) method: String,
    /// The service that was asked.
    pub(crate) upstream: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) caller: Kind,
    pub(crate) address: Option<IpAddr>,
    pub(crate) received: Arc<AtomicU64>,
    pub(crate) sent: u64,
    request_id: RequestId,
    began: Instant,
    span: Span,
    has_ended: bool,
}

impl Entry {
    pub(crate) fn begin(request_id: RequestId, protocol: &'static str) -> Self {
        Self {
            method: "_OTHER".to_owned(),
            upstream: "",
            protocol,
            caller: Kind::Anonymous,
            address: None,
            received: Arc::default(),
            sent: 0,
            request_id,
            began: Instant::now(),
            span: Span::current(),
            has_ended: false,
        }
    }

    /// The status stood in these headers or trailers, if one did.
    pub(crate) fn note(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get("grpc-status") {
            self.end(Code::from_bytes(code.as_bytes()));
        }
    }

    pub(crate) fn end(&mut self, code: Code) {
        if self.has_ended {
            return;
        }
        self.has_ended = true;
        let _entered = self.span.enter();
        tracing::info!(
            target: "access",
            method = self.method,
            status = server::status::name(code),
            milliseconds = self.began.elapsed().as_secs_f64() * 1000.0,
            received = self.received.load(Ordering::Relaxed),
            sent = self.sent,
            request_id = self.request_id.as_str(),
            caller = self.caller.name(),
            protocol = self.protocol,
            upstream = self.upstream,
            address = self.address.map(tracing::field::display),
            "call"
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// A response body that ends its call's entry, and gives its caller's place free.
pub(crate) struct Logged {
    inner: Body,
    entry: Entry,
    _permit: Option<Permit>,
}

impl Logged {
    pub(crate) const fn new(inner: Body, entry: Entry, permit: Option<Permit>) -> Self {
        Self { inner, entry, _permit: permit }
    }
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                this.entry.sent += frame.data_ref().map_or(0, |chunk| chunk.len() as u64);
                if let Some(trailers) = frame.trailers_ref() {
                    this.entry.note(trailers);
                }
            }
            Some(Err(status)) => this.entry.end(status.code()),
            None => this.entry.end(Code::Unknown),
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
