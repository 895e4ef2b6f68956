//! Sending a request so that it happens once, however often it has to be sent.

use std::time::Duration;

use clap::Args;
use tonic::{Code, Response, Status};
use uuid::Uuid;

use crate::failure::Failure;

const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

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

/// Sends what may be sent again: repeats while the shop is briefly unavailable.
pub(crate) async fn repeat<T>(
    mut send: impl AsyncFnMut() -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match send().await {
            Err(status) if status.code() == Code::Unavailable => tokio::time::sleep(pause).await,
            answer => return Ok(answer?.into_inner()),
        }
        pause *= 2;
    }
    Ok(send().await?.into_inner())
}

/// Like [`repeat`], for a change under `request_id`: without a last answer the failure names the id to repeat.
pub(crate) async fn change<T>(
    request_id: &str,
    send: impl AsyncFnMut() -> Result<Response<T>, Status>,
) -> Result<T, Failure> {
    repeat(send).await.map_err(|failure| failure.of_change(request_id))
}
