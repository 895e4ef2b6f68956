//! A service behind the gateway.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Status, body::Body};
use tower::ServiceExt as _;

/// When to come back with a call for which there are too many others.
const SOON: Duration = Duration::from_millis(500);

/// A service, and its share of the calls that the gateway has under way: one that hangs must leave room for those of the
/// others.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    client: mesh::Client,
    share: Arc<Semaphore>,
}

impl Upstream {
    /// With at most half of so many places.
    pub(crate) fn new(client: mesh::Client, places: u32) -> Self {
        Self { client, share: Arc::new(Semaphore::new((places as usize / 2).max(1))) }
    }

    /// Finds room for a call.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the service's share is used up.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.share).try_acquire_owned();
        place.map_err(|_| {
            server::status::exhausted("OVERLOADED", "the service has too many calls at once", SOON)
        })
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        self.client.clone().oneshot(request).await
    }
}
