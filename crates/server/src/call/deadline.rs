//! Until when the caller waits.

use std::future::Future;

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::{headers, status};

/// When a call ends at the latest, if its caller said so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Deadline(pub(crate) Option<Instant>);

impl Deadline {
    /// From the header `grpc-timeout`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        let timeout = headers::timeout(headers)?;
        Ok(Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout))))
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
