//! Sending again what may be sent again.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// However long the shop asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Repeats a call while the shop is briefly unable to answer, or asks to come back later. Every call made here carries a request id or changes
/// nothing, so it may have been executed before.
pub(crate) async fn patiently<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match call().await {
            Err(status) if is_passing(&status) => tokio::time::sleep(wanted(&status, pause)).await,
            outcome => return outcome,
        }
        pause *= 2;
    }
    call().await
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
}
