//! How long a call may take: agreed once, told to the callee at each attempt, kept by the caller.

use std::{future::Future, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What ends a call this short before the deadline is another's timer: the callee's, or the caller's.
const SAME_MOMENT: Duration = Duration::from_millis(5);

/// A service owes nobody an answer sooner, however short the deadlines of its callers.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

tokio::task_local! {
    static CALLER: Instant;
}

/// Does work for a caller who waits no longer than this: calls made by it (in the same task) end by then too.
pub async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> T {
    CALLER.scope(deadline, work).await
}

pub(crate) fn exceeded() -> Status {
    Status::deadline_exceeded("the deadline passed")
}

/// When a call ends at the latest; a stream may have no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// The soonest of what the caller says, what its own caller says, and the policy (for streams none).
    pub(crate) fn agree(headers: &HeaderMap, longest: Option<Duration>, now: Instant) -> Self {
        let asked = headers.get(GRPC_TIMEOUT).and_then(|value| parse_timeout(value.to_str().ok()?));
        let own = asked.into_iter().chain(longest).min().and_then(|timeout| now.checked_add(timeout));
        let callers = CALLER.try_with(|deadline| *deadline).ok();
        Self(own.into_iter().chain(callers).min())
    }

    pub(crate) const fn at(self) -> Option<Instant> {
        self.0
    }

    pub(crate) fn is_before(self, moment: Instant) -> bool {
        self.0.is_some_and(|deadline| deadline <= moment)
    }

    pub(crate) fn has_come(self, now: Instant) -> bool {
        self.is_before(now + SAME_MOMENT)
    }

    /// How long its caller waits before silence is the callee's fault.
    pub(crate) fn patience(self, longest: Duration, now: Instant) -> Duration {
        let half = self.0.map(|deadline| deadline.saturating_duration_since(now) / 2);
        half.map_or(longest, |half| longest.min(half.max(LEAST_PATIENCE)))
    }

    /// What is left, as `grpc-timeout`.
    pub(crate) fn tell(self, headers: &mut HeaderMap, now: Instant) {
        match self.0 {
            Some(deadline) => headers.insert(GRPC_TIMEOUT, format(deadline.saturating_duration_since(now))),
            None => headers.remove(GRPC_TIMEOUT),
        };
    }

    pub(crate) async fn limit<T>(self, work: impl Future<Output = T>) -> Result<T, Status> {
        match self.0 {
            None => Ok(work.await),
            Some(deadline) => timeout_at(deadline, work).await.map_err(|_| exceeded()),
        }
    }

    /// Whether a status is the callee's expiry, which tonic's server calls CANCELLED.
    pub(crate) fn is_expiry(self, code: Code, now: Instant) -> bool {
        matches!(code, Code::Cancelled | Code::DeadlineExceeded) && self.has_come(now)
    }
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

/// Reads a `grpc-timeout`: at most eight digits, then the unit ("PROTOCOL-HTTP2.md" of gRPC).
#[must_use]
pub fn parse_timeout(text: &str) -> Option<Duration> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Option<Duration> = Some(Duration::from_secs(2));

    fn told(asked: Option<&'static str>, longest: Option<Duration>, later: Duration) -> Option<String> {
        let now = Instant::now();
        let mut headers = HeaderMap::new();
        if let Some(asked) = asked {
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(asked));
        }
        let deadline = Deadline::agree(&headers, longest, now);
        deadline.tell(&mut headers, now + later);
        headers.get(GRPC_TIMEOUT).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_shorter_time_out_is_told() {
        for (asked, sent) in [
            (None, "2000000u"),
            (Some("500m"), "500000u"),
            (Some("5S"), "2000000u"),
            (Some("nonsense"), "2000000u"),
            (Some("123456789m"), "2000000u"),
        ] {
            assert_eq!(told(asked, LONGEST, Duration::ZERO).as_deref(), Some(sent), "{asked:?}");
        }
    }

    #[test]
    fn a_later_attempt_is_told_what_is_left() {
        assert_eq!(told(None, LONGEST, Duration::from_millis(1500)).as_deref(), Some("500000u"));
        assert_eq!(told(None, LONGEST, Duration::from_secs(3)).as_deref(), Some("0u"));
    }

    #[test]
    fn a_stream_ends_when_its_caller_says_so() {
        assert_eq!(told(None, None, Duration::ZERO), None);
        assert_eq!(told(Some("5S"), None, Duration::ZERO).as_deref(), Some("5000000u"));
    }

    #[tokio::test]
    async fn a_callers_deadline_is_passed_on() {
        let now = Instant::now();
        let sooner = now + Duration::from_secs(1);
        let agreed = || Deadline::agree(&HeaderMap::new(), LONGEST, now).at();
        assert_eq!(until(sooner, async { agreed() }).await, Some(sooner));
        assert_eq!(
            until(now + Duration::from_secs(5), async { agreed() }).await,
            now.checked_add(LONGEST.unwrap())
        );
    }

    #[test]
    fn nobody_is_patient_for_longer_than_half_of_the_deadline() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let patience = |deadline| Deadline(Some(now + deadline)).patience(second, now);
        assert_eq!(patience(24 * 3600 * second), second);
        assert_eq!(patience(second), second / 2);
        assert_eq!(patience(second / 100), LEAST_PATIENCE);
        assert_eq!(Deadline(None).patience(second, now), second);
    }

    #[test]
    fn a_time_out_has_at_most_eight_digits() {
        assert_eq!(format(Duration::from_secs(99)), "99000000u");
        assert_eq!(format(Duration::from_secs(100)), "100000m");
        assert_eq!(format(Duration::from_secs(100_000)), "100000S");
    }

    #[test]
    fn only_at_the_deadline_is_a_cancelled_call_an_expired_one() {
        let now = Instant::now();
        let deadline = Deadline(Some(now + Duration::from_secs(1)));
        assert!(!deadline.is_expiry(Code::Cancelled, now));
        let shortly_before = now + Duration::from_millis(996);
        assert!(
            deadline.has_come(shortly_before) && !deadline.has_come(now),
            "whose timer was first is chance"
        );
        assert!(deadline.is_expiry(Code::Cancelled, now + Duration::from_secs(1)));
        assert!(!deadline.is_expiry(Code::NotFound, now + Duration::from_secs(1)));
        assert!(!Deadline(None).is_expiry(Code::Cancelled, now));
    }

    #[test]
    fn every_unit_of_the_protocol_is_read() {
        let read = ["2H", "3M", "4S", "500m", "6u", "7n"].map(|text| parse_timeout(text).unwrap());
        let meant = [7200 * 1_000_000_000, 180 * 1_000_000_000, 4 * 1_000_000_000, 500_000_000, 6000, 7];
        assert_eq!(read, meant.map(Duration::from_nanos));
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "S", "5", "1s", "-1S", "123456789S", "1é"] {
            assert_eq!(parse_timeout(text), None, "{text}");
        }
    }
}
