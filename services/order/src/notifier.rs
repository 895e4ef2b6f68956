use events::Wake;
use values::OrderId;

use crate::watchers::Watchers;

/// Told after each commit: sends the events off and wakes whoever watches the orders.
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    relay: Wake,
    watchers: Watchers,
}

impl Notifier {
    pub(crate) const fn new(relay: Wake, watchers: Watchers) -> Self {
        Self { relay, watchers }
    }

    /// These orders have changed.
    pub(crate) fn changed(&self, orders: impl IntoIterator<Item = OrderId>) {
        self.relay.wake();
        orders.into_iter().for_each(|order| self.watchers.wake(order));
    }
}
