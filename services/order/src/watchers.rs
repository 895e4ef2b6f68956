//! Who in this process watches which order, and what wakes them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use values::OrderId;

/// Wakes watchers of orders. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watchers(Arc<Mutex<HashMap<OrderId, watch::Sender<()>>>>);

impl Watchers {
    /// Watches an order, from this moment on.
    pub(crate) fn watch(&self, order: OrderId) -> Watcher {
        let woken = self.lock().entry(order).or_default().subscribe();
        Watcher { order, woken: Some(woken), watchers: self.clone() }
    }

    /// The order may have changed.
    pub(crate) fn wake(&self, order: OrderId) {
        if let Some(watchers) = self.lock().get(&order) {
            watchers.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes watchers by what any replica tells the broker, until `stop`.
    ///
    /// What is told while the broker is away is lost, which watchers make up for by looking from time to time.
    pub(crate) async fn follow(self, nats: async_nats::Client, stop: CancellationToken) {
        // Fails only when the client has been closed, which the end of the process does.
        if let Ok(mut messages) = nats.subscribe("bookstore.order.v1.>").await {
            while let Some(Some(message)) = stop.run_until_cancelled(messages.next()).await {
                let subject = message.headers.as_ref().and_then(|headers| headers.get("ce-subject"));
                if let Some(order) = subject.and_then(|subject| subject.as_str().parse().ok()) {
                    self.wake(order);
                }
            }
        }
        stop.cancelled().await;
    }
}

/// Watches one order.
#[derive(Debug)]
pub(crate) struct Watcher {
    order: OrderId,
    woken: Option<watch::Receiver<()>>,
    watchers: Watchers,
}

impl Watcher {
    /// Waits until the order may have changed since the last call, or since it was first watched.
    pub(crate) async fn woken(&mut self) {
        if let Some(woken) = &mut self.woken {
            // It can't fail: the sender stays for as long as it has a receiver.
            let _ = woken.changed().await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut watchers = self.watchers.lock();
        self.woken = None;
        if watchers.get(&self.order).is_some_and(|sender| sender.receiver_count() == 0) {
            watchers.remove(&self.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn only_watchers_of_the_order_are_woken() {
        let watchers = Watchers::default();
        let (order, other) = (OrderId::new(), OrderId::new());
        let (mut first, mut second) = (watchers.watch(order), watchers.watch(order));
        let mut third = watchers.watch(other);

        watchers.wake(order);

        assert!(poll!(pin!(first.woken())).is_ready());
        assert!(poll!(pin!(second.woken())).is_ready());
        assert!(poll!(pin!(third.woken())).is_pending());
    }

    #[tokio::test]
    async fn a_call_between_two_waits_is_not_lost() {
        let watchers = Watchers::default();
        let order = OrderId::new();
        let mut watcher = watchers.watch(order);

        watchers.wake(order);
        watchers.wake(order);

        assert!(poll!(pin!(watcher.woken())).is_ready());
        assert!(poll!(pin!(watcher.woken())).is_pending());
    }

    #[test]
    fn nothing_is_kept_of_watchers_that_left() {
        let watchers = Watchers::default();
        let order = OrderId::new();
        let (first, second) = (watchers.watch(order), watchers.watch(order));

        drop(first);
        assert_eq!(watchers.lock().len(), 1);
        drop(second);
        assert_eq!(watchers.lock().len(), 0);
    }
}
