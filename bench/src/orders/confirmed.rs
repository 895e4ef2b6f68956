use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use tokio::{sync::Notify, time::Instant};

use super::load::Gate;

/// Ends with so long a silence while orders are awaited.
const PATIENCE: Duration = Duration::from_mins(1);

/// When orders were CONFIRMED, by this process's clock: their events pass by here on the way into the broker's stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmed {
    times: Arc<Mutex<Times>>,
    more: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Times {
    at: HashMap<String, Instant>,
    cancelled: usize,
    gate: Option<Gate>,
}

impl Confirmed {
    pub(super) async fn listen(nats: &async_nats::Client) -> Result<Self> {
        let confirmed = Self::default();
        let ends = ["bookstore.order.v1.confirmed", "bookstore.order.v1.cancelled"];
        let [confirmations, cancellations] = ends.map(|subject| nats.subscribe(subject));
        let mut events = futures::stream::select(confirmations.await?, cancellations.await?);
        nats.flush().await?;
        let told = confirmed.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let order = event.headers.as_ref().and_then(|headers| headers.get("ce-subject"));
                let Some(order) = order.map(ToString::to_string) else { continue };
                told.times().note(order, event.subject.ends_with("cancelled"));
                told.more.notify_one();
            }
        });
        Ok(confirmed)
    }

    /// From now on each end gives a permit back there.
    pub(super) fn opens(&self, gate: Gate) {
        self.times().gate = Some(gate);
    }

    /// Waits for the end of these orders and takes when it was, in their order.
    pub(super) async fn take(&self, orders: &[String]) -> Result<Vec<Instant>> {
        loop {
            {
                let mut times = self.times();
                ensure!(
                    times.cancelled == 0,
                    "{} orders were cancelled; the figures are worth nothing",
                    times.cancelled
                );
                if orders.iter().all(|order| times.at.contains_key(order)) {
                    return Ok(orders.iter().filter_map(|order| times.at.remove(order)).collect());
                }
            }
            let waited = tokio::time::timeout(PATIENCE, self.more.notified()).await;
            ensure!(waited.is_ok(), "no order has been CONFIRMED for {PATIENCE:?}, and some are awaited");
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn note(&mut self, order: String, is_cancelled: bool) {
        self.cancelled += usize::from(is_cancelled);
        // Published twice, the first time counts.
        let is_new = self.at.insert(order.clone(), Instant::now()).is_none_or(|first| {
            self.at.insert(order, first);
            false
        });
        if let Some(gate) = self.gate.as_ref().filter(|_| is_new) {
            gate.add_permits(1);
        }
    }
}
