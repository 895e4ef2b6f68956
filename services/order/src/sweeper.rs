//! Settles orders that wait for something that may never come by itself. Any number of replicas may.

mod broker;
mod commit_paid;
mod complaints;
mod end_unpaid;
mod refresh;

use std::time::Duration;

use sea_orm::DatabaseConnection;
use server::database::answered;
use tokio_util::sync::CancellationToken;
use tracing::Span;

pub(crate) use self::{broker::Broker, complaints::Complaints};
use crate::{
    clients::{Identity, Inventory},
    notifier::Notifier,
    settle::SettleError,
    store::sweep::Waiting,
};

/// Orders in one transaction.
const BATCH: u32 = 128;

/// What the sweeper works with.
pub(crate) struct Sweeper {
    pub(crate) db: DatabaseConnection,
    pub(crate) identity: Identity,
    pub(crate) inventory: Inventory,
    pub(crate) broker: Broker,
    pub(crate) notifier: Notifier,
    pub(crate) complaints: Complaints,
    pub(crate) payment_deadline: Duration,
    pub(crate) interval: Duration,
}

impl Sweeper {
    /// Sweeps until `stop`. A service that is slow to answer holds up nothing but what is asked of it.
    pub(crate) async fn run(self, stop: CancellationToken) {
        tokio::join!(
            self.repeat("unpaid orders can't be ended", &stop, || self.end_unpaid()),
            self.repeat("paid orders can't be confirmed", &stop, || self.commit_paid()),
            self.repeat("changed addresses and names can't be written", &stop, || self.refresh()),
        );
    }

    async fn repeat<F>(&self, failure: &str, stop: &CancellationToken, sweep: impl Fn() -> F)
    where
        F: Future<Output = Result<(), SettleError>>,
    {
        let mut is_failing = false;
        while stop.run_until_cancelled(tokio::time::sleep(self.interval)).await.is_some() {
            match answered(sweep()).await {
                Ok(()) => is_failing = false,
                // Once for an outage, not at every sweep.
                Err(error) if !is_failing => {
                    is_failing = true;
                    tracing::warn!(%error, "{failure}; will try again");
                }
                Err(_) => {}
            }
        }
    }
}

/// The span of what is done for one order, in the trace in which it was placed.
fn span(order: &Waiting) -> Span {
    let span = tracing::info_span!(target: telemetry::ENTRY, "sweep", order.id = %order.id);
    telemetry::propagation::follow(&span, order.traceparent.as_deref());
    span
}
