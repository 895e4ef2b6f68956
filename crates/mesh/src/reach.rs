//! Whether a service can be called at the moment.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use crate::client::Callee;

/// What one client knows of the service that it calls. Keeps no connection alive.
#[derive(Clone)]
pub struct Reach {
    callee: &'static str,
    client: Weak<Callee>,
}

impl Reach {
    pub(crate) fn new(client: &Arc<Callee>) -> Self {
        Self { callee: client.name(), client: Arc::downgrade(client) }
    }

    /// The service's name.
    #[must_use]
    pub const fn callee(&self) -> &'static str {
        self.callee
    }

    /// Whether a replica is connected and not silent, and the service isn't left alone for its failures. Nothing before
    /// the first call, and when the client is gone.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        self.client.upgrade()?.is_up()
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Reach").field(&self.callee).finish()
    }
}
