//! Asking the card gateway, and asking again until it has said. Any number of replicas may, and callers beside them.
//!
//! Each question is noted before it is asked, and carries a key that names it for ever; so it doesn't matter who asks it
//! how often, or who dies meanwhile. What the answer changes is recorded in one transaction with the end of the
//! question. No transaction is open while the gateway is asked.

mod charge;
mod pay_out;
mod refund;

use std::{sync::Arc, time::Duration};

use events::{
    Wake,
    outbox::{self, Outgoing, TooLarge},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use server::database::answered;
use tokio::{sync::Notify, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    gateway::Gateway,
    store::errands::{self, Errand, Kind, Pace},
};

/// Errands that one replica runs at once.
const AT_ONCE: usize = 64;
/// How often errands are looked for that nobody has told this replica of.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long one is run: more than the gateway may be waited for. A connection to the database may lead nowhere.
const LONGEST: Duration = Duration::from_mins(3);

/// Asks the card gateway.
#[derive(Clone, Debug)]
pub(crate) struct Errands {
    db: DatabaseConnection,
    gateway: Gateway,
    pace: Pace,
    /// Events may have been written.
    wake: Wake,
    /// Errands may be due.
    due: Arc<Notify>,
}

impl Errands {
    pub(crate) fn new(db: DatabaseConnection, gateway: Gateway, first_pause: Duration, wake: Wake) -> Self {
        let pace = Pace { patience: gateway.patience(), first_pause };
        Self { db, gateway, pace, wake, due: Arc::default() }
    }

    /// The gateway, for what needs no errand.
    pub(crate) const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// To be called after a commit that added errands which nobody sees through.
    pub(crate) fn wake(&self) {
        self.due.notify_one();
    }

    /// To be called after a commit that [wrote an event](tell).
    pub(crate) fn told(&self) {
        self.wake.wake();
    }

    /// Asks until this errand has ended or the gateway says nothing.
    pub(crate) async fn see_through(&self, id: Uuid) -> Result<(), DbErr> {
        while let Some(errand) =
            fault::around("payment.take.commit", errands::take(&self.db, id, self.pace)).await?
        {
            if !self.ask(&errand).await? {
                break;
            }
        }
        Ok(())
    }

    /// Runs all errands when they are due, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut is_failing = false;
        while !stop.is_cancelled() {
            let due = answered(errands::take_due(&self.db, self.pace, AT_ONCE - running.len()));
            match fault::around("payment.take_due.commit", due).await {
                Ok(taken) => {
                    is_failing = false;
                    for errand in taken {
                        running.spawn(self.clone().run_one(errand));
                    }
                }
                // Once for an outage, not at every look.
                Err(error) if !is_failing => {
                    is_failing = true;
                    tracing::warn!(%error, "errands to the card gateway can't be looked for; will try again");
                }
                Err(_) => {}
            }
            let is_full = running.len() >= AT_ONCE;
            tokio::select! {
                () = stop.cancelled() => {}
                Some(_) = running.join_next(), if is_full => {}
                () = self.due.notified(), if !is_full => {}
                () = tokio::time::sleep(INTERVAL), if !is_full => {}
            }
            while running.try_join_next().is_some() {}
        }
    }

    async fn run_one(self, errand: Errand) {
        let span = tracing::info_span!(target: telemetry::ENTRY, "errand", kind = ?errand.kind);
        telemetry::propagation::follow(&span, errand.traceparent.as_deref());
        let outcome = async {
            if self.ask(&errand).await? {
                self.see_through(errand.id).await?;
            }
            Ok::<_, DbErr>(())
        };
        match timeout(LONGEST, outcome.instrument(span.clone())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => span.in_scope(|| {
                tracing::warn!(%error, "an answer of the card gateway can't be recorded; will ask again");
            }),
            Err(_) => span.in_scope(|| tracing::warn!("an errand has come to no end; will ask again")),
        }
    }

    /// Whether the gateway has said something.
    async fn ask(&self, errand: &Errand) -> Result<bool, DbErr> {
        match errand.kind {
            Kind::Charge => self.charge(errand).await,
            Kind::Refund => self.refund(errand).await,
            Kind::PayOut => self.pay_out(errand).await,
        }
    }
}

/// Writes an event in the transaction of what it tells of.
pub(crate) async fn tell(tx: &impl ConnectionTrait, event: Result<Outgoing, TooLarge>) -> Result<(), DbErr> {
    let event = event.map_err(|error| DbErr::Custom(error.to_string()))?;
    outbox::append(tx, &[event]).await
}
