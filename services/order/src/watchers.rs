//! Who in this process watches which order, and what wakes them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use values::OrderId;

/// For how long what others tell is still listened to when nobody watches any more: who reloads a page comes back.
const LINGER: Duration = Duration::from_secs(30);

/// Wakes watchers of orders. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watchers(Arc<Orders>);

#[derive(Debug, Default)]
struct Orders {
    watched: Mutex<HashMap<OrderId, watch::Sender<()>>>,
    /// Whether there are any.
    any: watch::Sender<bool>,
}

impl Watchers {
    /// Watches an order, from this moment on.
    pub(crate) fn watch(&self, order: OrderId) -> Watcher {
        let mut watched = self.lock();
        let woken = watched.entry(order).or_default().subscribe();
        self.0.any.send_if_modified(|any| !std::mem::replace(any, true));
        drop(watched);
        Watcher { order, woken: Some(woken), watchers: self.clone() }
    }

    /// The order may have changed.
    pub(crate) fn wake(&self, order: OrderId) {
        if let Some(watchers) = self.lock().get(&order) {
            watchers.send_replace(());
        }
    }

    fn wake_all(&self) {
        for watchers in self.lock().values() {
            watchers.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, watch::Sender<()>>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes watchers by what any replica tells the broker, until `stop`.
    ///
    /// What is told while the broker is away is lost, which watchers make up for by looking from time to time. While
    /// nobody watches, nothing is listened to: every replica would read every order's events for nobody.
    pub(crate) async fn follow(self, nats: async_nats::Client, stop: CancellationToken) {
        stop.run_until_cancelled(self.follow_while_watched(nats)).await;
    }

    async fn follow_while_watched(&self, nats: async_nats::Client) {
        let mut any = self.0.any.subscribe();
        // It can't fail, since we have the sender, too.
        while any.wait_for(|any| *any).await.is_ok() {
            // Fails only when the client has been closed, which the end of the process does.
            let Ok(mut messages) = nats.subscribe("bookstore.order.v1.>").await else { break };
            let _ = nats.flush().await;
            // For what was told before.
            self.wake_all();
            let unwatched = nobody_for(LINGER, any.clone());
            tokio::pin!(unwatched);
            loop {
                tokio::select! {
                    () = &mut unwatched => break,
                    message = messages.next() => match message {
                        Some(message) => self.read(&message),
                        None => break,
                    },
                }
            }
        }
        std::future::pending::<()>().await;
    }

    fn read(&self, message: &async_nats::Message) {
        let subject = message.headers.as_ref().and_then(|headers| headers.get("ce-subject"));
        if let Some(order) = subject.and_then(|subject| subject.as_str().parse().ok()) {
            self.wake(order);
        }
    }
}

/// Until nobody has watched for so long.
async fn nobody_for(time: Duration, mut any: watch::Receiver<bool>) {
    while any.wait_for(|any| !*any).await.is_ok() {
        if timeout(time, any.wait_for(|any| *any)).await.is_err() {
            return;
        }
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
        if watchers.is_empty() {
            self.watchers.0.any.send_if_modified(|any| std::mem::replace(any, false));
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

    #[tokio::test(start_paused = true)]
    async fn it_is_known_whether_anybody_watches() {
        let watchers = Watchers::default();
        let any = watchers.0.any.subscribe();
        let mut unwatched = pin!(nobody_for(LINGER, any.clone()));

        let (first, second) = (watchers.watch(OrderId::new()), watchers.watch(OrderId::new()));
        drop(first);
        assert!(poll!(&mut unwatched).is_pending() && *any.borrow());
        drop(second);
        assert!(!*any.borrow());
        assert!(timeout(LINGER / 2, &mut unwatched).await.is_err());
        let third = watchers.watch(OrderId::new());
        assert!(timeout(LINGER * 2, &mut unwatched).await.is_err(), "somebody has come back");
        drop(third);
        unwatched.await;
    }
}
