//! How long a call may take, told to the callee and kept by the caller.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status, body::Body};

use crate::pool::Pending;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// An answer that comes this short before the deadline is the callee's own timer.
const SAME_MOMENT: Duration = Duration::from_millis(5);

pub(crate) fn exceeded() -> Status {
    Status::deadline_exceeded("the deadline passed")
}

/// The caller's own time-out if it is shorter than the policy's; sent on as `grpc-timeout`.
pub(crate) fn agree(headers: &mut HeaderMap, longest: Duration) -> Duration {
    let asked = headers.get(GRPC_TIMEOUT).and_then(|value| parse(value.to_str().ok()?));
    let timeout = asked.map_or(longest, |asked| asked.min(longest));
    headers.insert(GRPC_TIMEOUT, format(timeout));
    timeout
}

/// Whether an answer is the callee's expiry, which tonic's server calls CANCELLED.
pub(crate) fn is_expiry(headers: &HeaderMap, deadline: Instant) -> bool {
    headers.get("grpc-status").is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::Cancelled)
        && Instant::now() + SAME_MOMENT >= deadline
}

/// At most eight digits and a unit, as gRPC over HTTP/2 demands.
fn format(timeout: Duration) -> HeaderValue {
    const LARGEST: u128 = 99_999_999;
    let text = match (timeout.as_micros(), timeout.as_millis()) {
        (micros @ ..=LARGEST, _) => format!("{micros}u"),
        (_, millis @ ..=LARGEST) => format!("{millis}m"),
        _ => format!("{}S", u128::from(timeout.as_secs()).min(LARGEST)),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0n"))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// A response body under the call's deadline, which tonic keeps only until the headers.
pub(crate) struct Timed {
    body: Body,
    expiry: Pin<Box<Sleep>>,
    over: bool,
    _pending: Pending,
}

impl Timed {
    pub(crate) fn new(body: Body, deadline: Instant, pending: Pending) -> Self {
        Self { body, expiry: Box::pin(tokio::time::sleep_until(deadline)), over: false, _pending: pending }
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(broken_off)));
        }
        if self.expiry.as_mut().poll(context).is_ready() {
            self.over = true;
            self.body = Body::empty();
            return Poll::Ready(Some(Err(exceeded())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection lost in the middle of an answer; tonic says UNKNOWN, CANCELLED or INTERNAL.
fn broken_off(failure: Status) -> Status {
    let mut status = Status::unavailable("the answer broke off");
    status.set_source(std::sync::Arc::new(failure));
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_time_out_is_sent() {
        let longest = Duration::from_secs(2);
        for (asked, sent) in [
            (None, "2000000u"),
            (Some("500m"), "500000u"),
            (Some("5S"), "2000000u"),
            (Some("nonsense"), "2000000u"),
            (Some("123456789m"), "2000000u"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(asked) = asked {
                headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(asked));
            }
            agree(&mut headers, longest);
            assert_eq!(headers[GRPC_TIMEOUT], sent, "{asked:?}");
        }
    }

    #[test]
    fn a_time_out_has_at_most_eight_digits() {
        assert_eq!(format(Duration::from_secs(99)), "99000000u");
        assert_eq!(format(Duration::from_secs(100)), "100000m");
        assert_eq!(format(Duration::from_secs(100_000)), "100000S");
    }
}
