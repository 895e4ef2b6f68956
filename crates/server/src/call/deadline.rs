//! Until when the caller waits.

use std::{future::Future, time::Duration};

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::status;

/// When a call ends at the latest, if its caller said so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Deadline(pub(crate) Option<Instant>);

impl Deadline {
    /// From the header `grpc-timeout`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        let Some(timeout) = headers.get("grpc-timeout") else { return Ok(Self(None)) };
        let timeout = timeout.to_str().ok().and_then(parse).ok_or_else(status::malformed_deadline)?;
        Ok(Self(Instant::now().checked_add(timeout)))
    }

    /// Ends the work with `DEADLINE_EXCEEDED` when the time is up. Calls that it makes have no more time than that either.
    pub(crate) async fn limit<T>(self, work: impl Future<Output = T>) -> Result<T, Status> {
        match self.0 {
            None => Ok(work.await),
            Some(deadline) => {
                let limited = timeout_at(deadline, mesh::until(deadline, work));
                limited.await.map_err(|_| status::deadline_exceeded())
            }
        }
    }
}

/// "PROTOCOL-HTTP2.md" of gRPC: at most eight digits, then the unit.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.bytes().last()?;
    let digits = text.get(..text.len() - 1)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_of_the_protocol_is_read() {
        let read = ["2H", "3M", "4S", "500m", "6u", "7n"].map(|text| parse(text).unwrap());
        let meant = [7200 * 1_000_000_000, 180 * 1_000_000_000, 4 * 1_000_000_000, 500_000_000, 6000, 7];
        assert_eq!(read, meant.map(Duration::from_nanos));
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "S", "5", "1s", "-1S", "123456789S", "1é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
