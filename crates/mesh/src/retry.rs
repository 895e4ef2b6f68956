//! Which attempts without an answer are made again, and when.

use std::{collections::HashMap, error::Error as StdError, time::Duration};

use http::{HeaderMap, Response};
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{contract::Method, dice::Dice};

/// How often and how soon a call is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first included.
    pub attempts: u32,
    /// Before the second attempt; doubled before each next, and jittered.
    pub backoff: Duration,
    /// No pause is longer: a callee that asks for a longer one is not called again.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 3, backoff: Duration::from_millis(20), longest: Duration::from_millis(250) }
    }
}

/// When to come back to a service that could not be reached: what could be done at once was done here, so that who stands
/// before this caller need not do it again.
const COME_BACK: Duration = Duration::from_millis(500);

/// `ErrorInfo.domain` of the shop's own errors.
pub(crate) const DOMAIN: &str = "bookstore";

/// Why an attempt has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The connection was closing and handed the request back.
    Unsent,
    /// No endpoint could be connected to.
    NotConnected,
    /// `RST_STREAM` with `REFUSED_STREAM`: not processed (RFC 9113, 8.7).
    Refused,
    /// A GOAWAY without an error that names an earlier stream as the last: not processed (RFC 9113, 6.8).
    GoAway,
    /// The connection broke, and the request may have been executed.
    Lost,
    /// The other side has fallen silent, even to pings.
    Silent,
    /// The callee answered UNAVAILABLE because it still starts: it has not looked at the call.
    Starting,
    /// The callee answered UNAVAILABLE.
    Unavailable,
    /// The callee answered UNAVAILABLE and when to come back: it lives, and something behind it doesn't.
    Deferred,
    /// The replica has too much to do.
    Shed,
    /// The callee's own timer was the first to notice the deadline.
    Expired,
}

impl Reason {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::NotConnected => "not_connected",
            Self::Refused => "refused_stream",
            Self::GoAway => "goaway",
            Self::Lost => "connection_lost",
            Self::Silent => "silent",
            Self::Starting => "starting",
            Self::Unavailable => "unavailable",
            Self::Deferred => "deferred",
            Self::Shed => "shed",
            Self::Expired => "expired",
        }
    }

    /// Provably, so that any method may be called again.
    pub(crate) const fn was_never_executed(self) -> bool {
        matches!(self, Self::Unsent | Self::NotConnected | Self::Refused | Self::GoAway | Self::Starting)
    }

    /// Of an answer that is UNAVAILABLE, by what our own services say with it.
    pub(crate) fn of_unavailable(headers: &HeaderMap) -> Self {
        if says(headers, &["STARTING"]) { Self::Starting } else { Self::Unavailable }
    }

    /// Of an error that hyper gave no request back with.
    pub(crate) fn of(error: &hyper::Error) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                return Self::of_http2(error);
            }
            cause = error.source();
        }
        Self::Lost
    }

    fn of_http2(error: &h2::Error) -> Self {
        match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) if error.is_remote() && error.is_reset() => Self::Refused,
            Some(h2::Reason::NO_ERROR) if error.is_remote() && error.is_go_away() => Self::GoAway,
            _ => Self::Lost,
        }
    }
}

/// What the callee says about coming back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pushback {
    #[default]
    Silent,
    After(Duration),
    Never,
}

impl Pushback {
    /// gRPC's `grpc-retry-pushback-ms`, or `google.rpc.RetryInfo`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if let Some(millis) = headers.get("grpc-retry-pushback-ms") {
            let millis = millis.to_str().ok().and_then(|millis| millis.parse().ok());
            return millis.map_or(Self::Never, |millis| Self::After(Duration::from_millis(millis)));
        }
        let status = Status::from_header_map(headers);
        let info = status.and_then(|status| status.get_details_retry_info());
        info.and_then(|info| info.retry_delay).map_or(Self::Silent, Self::After)
    }

    pub(crate) fn is_beyond(self, longest: Duration) -> bool {
        matches!(self, Self::After(asked) if asked > longest)
    }
}

/// An attempt without an answer.
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) pushback: Pushback,
    /// What the caller is told if it was the last.
    pub(crate) answer: Response<Body>,
}

impl Failure {
    pub(crate) fn below_grpc(reason: Reason, error: Option<&hyper::Error>) -> Self {
        let said = match reason {
            Reason::NotConnected => "no endpoint can be connected to",
            Reason::Silent => "the endpoint has fallen silent",
            _ => "the connection was lost",
        };
        if let Some(error) = error {
            tracing::debug!(reason = reason.name(), error = error as &dyn StdError, "attempt failed");
        }
        Self { reason, pushback: Pushback::Silent, answer: unreachable(said).into_http() }
    }
}

/// What a caller is told who was left without an answer: as from a service itself, with a time to come back.
pub(crate) fn unreachable(said: &str) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(COME_BACK));
    details.set_error_info("UNREACHABLE", DOMAIN, HashMap::new());
    Status::with_error_details(Code::Unavailable, said, details)
}

/// How long to wait before the next attempt; nothing if there must be none. `made` counts from one.
pub(crate) fn pause(
    policy: RetryPolicy,
    method: Method,
    failure: &Failure,
    made: u32,
    dice: &Dice,
) -> Option<Duration> {
    let is_allowed = method.is_idempotent || failure.reason.was_never_executed();
    if !is_allowed || failure.reason == Reason::Expired || made >= policy.attempts {
        return None;
    }
    let doubled = 1 << (made - 1).min(16);
    let backoff = dice.between((policy.backoff * doubled).min(policy.longest), 0.5, 1.0);
    match failure.pushback {
        Pushback::Silent => Some(backoff),
        // The caller is told when to come back, and has not waited in vain: no other replica has another database.
        Pushback::After(asked) if asked > policy.longest => None,
        Pushback::After(asked) => Some(asked.max(backoff)),
        Pushback::Never => None,
    }
}

/// Whether `RESOURCE_EXHAUSTED` is of a replica that has too much to do, and of which another may have less. It may be the
/// passed on status of a service behind it, so it doesn't prove that nothing was executed.
pub(crate) fn is_shed(headers: &HeaderMap) -> bool {
    says(headers, &["OVERLOADED"])
}

/// Whether `RESOURCE_EXHAUSTED` is of a replica that has too much of one kind of work, rather than of a request that is
/// too large.
pub(crate) fn is_backlogged(headers: &HeaderMap) -> bool {
    says(headers, &["QUEUE_FULL"])
}

/// Whether one of our own services gives one of these reasons.
fn says(headers: &HeaderMap, reasons: &[&str]) -> bool {
    let info = Status::from_header_map(headers).and_then(|status| status.get_details_error_info());
    info.is_some_and(|info| info.domain == DOMAIN && reasons.contains(&info.reason.as_str()))
}

/// The status of an answer, wherever gRPC or a proxy put it.
pub(crate) fn code_of<B>(response: &Response<B>, trailers: Option<&HeaderMap>) -> Option<Code> {
    let status =
        |headers: &HeaderMap| headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
    status(response.headers()).or_else(|| trailers.and_then(status)).or_else(|| {
        // "HTTP to gRPC Status Code Mapping" of gRPC: what a proxy says when it has nobody behind it.
        matches!(response.status().as_u16(), 429 | 502..=504).then_some(Code::Unavailable)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic_types::ErrorDetails;

    use super::*;

    const IDEMPOTENT: Method = Method { is_idempotent: true, client_streams: false, server_streams: false };
    const NOT: Method = Method { is_idempotent: false, ..IDEMPOTENT };
    const REASONS: [Reason; 8] = [
        Reason::Unsent,
        Reason::NotConnected,
        Reason::Refused,
        Reason::GoAway,
        Reason::Lost,
        Reason::Silent,
        Reason::Starting,
        Reason::Unavailable,
    ];

    fn pause_after(method: Method, reason: Reason, pushback: Pushback, made: u32) -> Option<Duration> {
        let failure = Failure { pushback, ..Failure::below_grpc(reason, None) };
        pause(RetryPolicy::default(), method, &failure, made, &Dice::seeded(1))
    }

    #[test]
    fn what_may_have_been_executed_is_repeated_only_if_the_contract_allows() {
        for reason in REASONS {
            assert!(pause_after(IDEMPOTENT, reason, Pushback::Silent, 1).is_some());
            let is_repeated = pause_after(NOT, reason, Pushback::Silent, 1).is_some();
            assert_eq!(is_repeated, reason.was_never_executed(), "{reason:?}");
        }
        assert!(!Reason::Lost.was_never_executed() && !Reason::Unavailable.was_never_executed());
    }

    #[test]
    fn there_is_an_end() {
        assert!(pause_after(IDEMPOTENT, Reason::Lost, Pushback::Silent, 2).is_some());
        assert_eq!(pause_after(IDEMPOTENT, Reason::Lost, Pushback::Silent, 3), None);
    }

    #[test]
    fn the_callee_is_heard() {
        let (bearable, long) = (Duration::from_millis(200), Duration::from_secs(1));
        let bearable_pause = pause_after(IDEMPOTENT, Reason::Unavailable, Pushback::After(bearable), 1);
        assert_eq!(bearable_pause, Some(bearable));
        assert_eq!(pause_after(IDEMPOTENT, Reason::Unavailable, Pushback::After(long), 1), None);
        assert_eq!(pause_after(IDEMPOTENT, Reason::Unavailable, Pushback::Never, 1), None);

        let headers = |millis: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-retry-pushback-ms", http::HeaderValue::from_static(millis));
            Pushback::of(&headers)
        };
        assert_eq!(headers("1000"), Pushback::After(long));
        assert_eq!(headers("-1"), Pushback::Never);

        let details = ErrorDetails::with_retry_info(Some(long));
        let status = Status::with_error_details(Code::Unavailable, "", details);
        assert_eq!(Pushback::of(status.into_http::<Body>().headers()), Pushback::After(long));
        assert_eq!(Pushback::of(Status::unavailable("").into_http::<Body>().headers()), Pushback::Silent);
    }

    #[test]
    fn http2_says_what_was_never_executed() {
        let local = |reason| Reason::of_http2(&h2::Error::from(reason));
        assert_eq!(local(h2::Reason::REFUSED_STREAM), Reason::Lost, "our own reset proves nothing");
        assert_eq!(local(h2::Reason::NO_ERROR), Reason::Lost);
    }

    proptest! {
        #[test]
        fn a_pause_is_never_long(made in 1u32..40, seed in any::<u64>()) {
            let policy = RetryPolicy { attempts: 50, ..RetryPolicy::default() };
            let failure = Failure::below_grpc(Reason::Lost, None);
            let pause = pause(policy, IDEMPOTENT, &failure, made, &Dice::seeded(seed)).unwrap();
            prop_assert!(pause <= policy.longest && pause >= policy.backoff / 2);
        }
    }
}
