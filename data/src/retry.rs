//! Sending again what may be sent again.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// How long the shop may take to open: its pods, and the servers they wait for, may start at the same time as this.
const PATIENCE: Duration = Duration::from_mins(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Whoever waits for a shop to open wants to know soon.
const LONGEST_USUAL_PAUSE: Duration = Duration::from_secs(2);
/// However long the shop asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Repeats a call while the shop is unable to answer, or asks to come back later. Every call made here carries a request
/// id or changes nothing, so it may have been executed before.
pub(crate) async fn patiently<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = call().await;
        let Some(status) = outcome.as_ref().err().filter(|status| is_passing(status)) else { return outcome };
        let wait = wanted(status, pause);
        if Instant::now() + wait > deadline {
            return outcome;
        }
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST_USUAL_PAUSE);
    }
}

/// As long as the shop asks for, and no shorter than usual.
fn wanted(status: &Status, usual: Duration) -> Duration {
    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
    asked.map_or(usual, |asked| asked.clamp(usual, LONGEST_PAUSE.max(usual)))
}

fn is_passing(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded)
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn the_pause_is_what_the_shop_asks_for_within_limits() {
        let asking = |delay| {
            let details = ErrorDetails::with_retry_info(Some(delay));
            wanted(&Status::with_error_details(Code::ResourceExhausted, "", details), FIRST_PAUSE)
        };
        assert_eq!(asking(Duration::from_secs(2)), Duration::from_secs(2));
        assert_eq!(asking(Duration::from_millis(1)), FIRST_PAUSE);
        assert_eq!(asking(Duration::from_hours(1)), LONGEST_PAUSE);
        assert_eq!(wanted(&Status::unavailable(""), FIRST_PAUSE), FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shop_that_opens_late_is_waited_for_and_one_that_stays_shut_is_given_up() {
        let start = Instant::now();
        let opens_after = async |time: Duration| {
            patiently(async || {
                let is_open = start.elapsed() >= time;
                if is_open { Ok(()) } else { Err(Status::unavailable("tcp connect error")) }
            })
            .await
        };
        opens_after(Duration::from_mins(2)).await.unwrap();
        opens_after(Duration::from_hours(1)).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_mins(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_at_once() {
        let start = Instant::now();
        patiently(async || Err::<(), _>(Status::permission_denied(""))).await.unwrap_err();
        assert!(start.elapsed().is_zero());
    }
}
