use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::sleep;

use crate::patience::Patience;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `probe` sees something, at most for `within` of the time that the machine is given.
///
/// # Errors
/// It never did; the error says `what` was waited for.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let patience = Patience::of(within);
    loop {
        let seen = tokio::select! {
            biased;
            seen = probe() => seen,
            // Also of a look that takes too long.
            () = patience.end() => None,
        };
        if let Some(seen) = seen {
            return Ok(seen);
        }
        if patience.is_over() {
            bail!("waited {within:?} in vain: {what}");
        }
        sleep(PAUSE).await;
    }
}
