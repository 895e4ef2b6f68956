use std::sync::Arc;

use tokio::sync::Notify;

/// Tells the relay that a transaction with events has committed.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// To be called after the commit; costs next to nothing.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}
