use std::sync::Arc;

use tokio::sync::Notify;

use crate::outbox::aside;

/// Tells the relay that a transaction with events has committed, so that they leave at once.
///
/// It costs next to nothing. A replica whose relay stands by passes it on to the active one over the broker. What is
/// not told is found a fifth of a second later.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// To be called after the commit.
    pub fn wake(&self) {
        aside::release();
        self.0.notify_one();
    }

    /// Waits for a call of [`Self::wake`], or returns at once if there was one since.
    pub(crate) async fn called(&self) {
        self.0.notified().await;
    }
}

/// The plain NATS subject on which a service's replicas wake its active relay.
pub(crate) fn subject(service: &str) -> String {
    format!("bookstore.wake.{service}")
}
