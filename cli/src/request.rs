//! Sending a request so that it happens once, however often it has to be sent.

use std::time::Duration;

use clap::Args;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::{failure::Failure, typed};

/// Together some three seconds: as long as a restart takes.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The name of what is asked for; the shop does it once for each name.
#[derive(Args)]
pub(crate) struct RequestId {
    /// Repeat an earlier command under its id, so that it takes effect once
    #[arg(long = "request-id", value_name = "ID", hide_short_help = true)]
    given: Option<String>,
}

impl RequestId {
    /// The id that was given, or a new one.
    pub(crate) fn or_new(&self) -> String {
        self.given.clone().unwrap_or_else(|| Uuid::new_v4().to_string())
    }
}

/// Sends what may be sent again: repeats while the shop is briefly unavailable or asks to come back.
pub(crate) async fn repeat<T>(
    mut send: impl AsyncFnMut() -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        let status = match send().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        let Some(wanted) = pause_before_another(&status, pause) else { return Err(status.into()) };
        tokio::time::sleep(wanted).await;
        pause *= 2;
    }
    Ok(send().await?.into_inner())
}

/// How long to wait before asking again, if that may help.
fn pause_before_another(status: &Status, usual: Duration) -> Option<Duration> {
    let wanted = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Unavailable => Some(wanted.unwrap_or(usual).clamp(usual, LONGEST_PAUSE)),
        // Coming back too early only makes it worse.
        Code::ResourceExhausted => {
            wanted.filter(|wanted| *wanted <= LONGEST_PAUSE).map(|wanted| wanted.max(usual))
        }
        _ => None,
    }
}

/// Like [`repeat`], for a change under `request_id`: without a last answer the failure names the command that
/// repeats it.
pub(crate) async fn change<T>(
    request_id: &str,
    send: impl AsyncFnMut() -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    repeat(send).await.map_err(|failure| under_id(failure, request_id))
}

/// The failure of a change under `request_id`, which may have happened although its answer is missing.
pub(crate) fn under_id(failure: Failure, request_id: &str) -> Failure {
    failure.of_change(Some(request_id), typed::again_with("--request-id", request_id))
}
