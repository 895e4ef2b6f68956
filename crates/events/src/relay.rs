mod compare;
mod config;
mod frontier;
mod lock;
mod publish;
mod rows;

use std::time::Duration;

use async_nats::{
    Client, Subscriber,
    jetstream::{self, Context},
};
use compare::Comparison;
use frontier::Frontier;
use futures::{StreamExt as _, future::BoxFuture};
use publish::Publisher;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use self::config::{Pace, RelayConfig};
use self::lock::Lock;
use crate::{Reconnects, Wake, answered, connection::is_connected, metrics, outbox::aside, wake};

/// After so many rows at once the next ones are waited for: under load they leave together, not in more turns.
const LOAD: usize = 8;
const LINGER_UNDER_LOAD: Duration = Duration::from_millis(5);
/// After what cannot be done now it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often the session that holds the lock is asked for a sign of life.
const LOCK_CHECK: Duration = Duration::from_secs(1);
/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(5);
/// How long what was committed last may take to leave, at a stop.
const LAST_TURNS: Duration = Duration::from_secs(2);
/// How long an acknowledgement may take.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Brings the outbox to the broker and checks that the broker kept it.
pub struct Relay {
    config: RelayConfig,
    pace: Pace,
    db: DatabaseConnection,
    nats: Client,
    jetstream: Context,
    reconnects: Reconnects,
    wake: Wake,
    drained: Option<CancellationToken>,
}

/// What a turn came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is more to do.
    Goes,
    /// All rows there were have left, so many: who commits others says so.
    Published(usize),
    /// There was nothing to do, or nothing can be done now.
    Rests,
}

/// Why a relay is no longer the active one.
enum Ended {
    Stopped,
    LockLost,
}

/// What the active relay knows of the stream.
struct Known {
    /// The last comparison, unless something has happened since.
    comparison: Option<Comparison>,
    compared: Instant,
    frontier: Frontier,
    deleted: Option<Instant>,
    measured: Option<Instant>,
    lock_checked: Instant,
    /// Whether the stream had the last row already that was published.
    repeats: bool,
    /// How many attempts to publish have brought nothing, one after the other.
    in_vain: u32,
    /// Whether the last turn failed, which is told once.
    is_in_trouble: bool,
}

impl Relay {
    /// A relay that does nothing until [`Self::run`].
    #[must_use]
    pub fn new(config: RelayConfig, db: DatabaseConnection, nats: Client, reconnects: Reconnects) -> Self {
        let mut jetstream = jetstream::new(nats.clone());
        jetstream.set_timeout(ACK_TIMEOUT);
        Self {
            config,
            pace: Pace::default(),
            db,
            nats,
            jetstream,
            reconnects,
            wake: Wake::default(),
            drained: None,
        }
    }

    /// The same relay at another pace.
    #[must_use]
    pub const fn at_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The same relay, which after its stop goes on until `drained` is cancelled too: once nothing commits events any
    /// more, neither a call that was under way at the stop nor a consumer's last batch.
    #[must_use]
    pub fn until(mut self, drained: CancellationToken) -> Self {
        self.drained = Some(drained);
        self
    }

    /// What tells this relay that events were committed.
    #[must_use]
    pub fn wake_handle(&self) -> Wake {
        self.wake.clone()
    }

    /// Publishes until `stop`, and then what was committed before; of all replicas of a service one is active and the
    /// others stand by.
    #[must_use]
    pub fn run(mut self, stop: CancellationToken) -> BoxFuture<'static, ()> {
        // Boxed, so that it is compiled in this crate and not in each that runs one.
        Box::pin(async move {
            let (drained, end) = (self.drained.take(), CancellationToken::new());
            let told_to_end = async {
                stop.cancelled().await;
                if let Some(drained) = drained {
                    drained.cancelled().await;
                }
                end.cancel();
            };
            tokio::join!(told_to_end, self.publish_until(&end));
        })
    }

    async fn publish_until(&mut self, stop: &CancellationToken) {
        while let Some(mut lock) = self.stand_by(stop).await {
            tracing::info!(stream = self.config.stream, "this replica publishes");
            let ended = self.publish_while_held(Some(&mut lock), stop).await;
            lock.release().await;
            match ended {
                Ended::Stopped => return,
                Ended::LockLost => tracing::warn!(stream = self.config.stream, "the relay's lock was lost"),
            }
        }
    }

    /// Publishes until `stop` without asking whether another replica does: what a relay does that has lost its lock
    /// and not noticed. For tests of how the broker keeps two relays apart.
    #[doc(hidden)]
    pub async fn run_unlocked(mut self, stop: CancellationToken) {
        self.publish_while_held(None, &stop).await;
    }

    /// Waits for the lock, and passes on meanwhile what the active relay should know. `None` on `stop`.
    async fn stand_by(&self, stop: &CancellationToken) -> Option<Lock> {
        let acquire = async {
            let mut is_told = false;
            loop {
                match Lock::acquire(&self.config.database_url).await {
                    Ok(lock) => return lock,
                    Err(error) if !is_told => tracing::warn!(%error, "the relay's lock can't be asked for"),
                    Err(_) => {}
                }
                is_told = true;
                sleep(RETRY).await;
            }
        };
        let pass_on = async {
            let subject = wake::subject(self.config.service);
            loop {
                self.wake.called().await;
                if is_connected(&self.nats) {
                    // Lost at worst: the active relay looks by itself.
                    let _ = self.nats.publish(subject.clone(), bytes::Bytes::new()).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => None,
            lock = acquire => Some(lock),
            () = pass_on => None,
        }
    }

    async fn publish_while_held(&mut self, mut lock: Option<&mut Lock>, stop: &CancellationToken) -> Ended {
        let now = Instant::now();
        let mut known = Known {
            comparison: None,
            compared: now,
            frontier: Frontier::default(),
            deleted: None,
            measured: None,
            lock_checked: now,
            repeats: false,
            in_vain: 0,
            is_in_trouble: false,
        };
        let mut woken = None;
        let mut connection = self.reconnects.seen();
        while !stop.is_cancelled() {
            if let Some(lock) = &mut lock
                && known.lock_checked.elapsed() >= LOCK_CHECK
            {
                if !lock.is_held().await {
                    return Ended::LockLost;
                }
                known.lock_checked = Instant::now();
            }
            if connection != self.reconnects.seen() {
                connection = self.reconnects.seen();
                known.comparison = None;
            }
            if woken.is_none() && is_connected(&self.nats) {
                woken = self.nats.subscribe(wake::subject(self.config.service)).await.ok();
            }
            match self.turn(&mut known).await {
                Ok(turn) => {
                    known.is_in_trouble = false;
                    if matches!(turn, Turn::Published(LOAD..)) {
                        sleep(LINGER_UNDER_LOAD).await;
                    }
                    if turn != Turn::Goes {
                        self.idle(self.pace.poll, &mut woken, stop).await;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut known.is_in_trouble, true) {
                        tracing::warn!(stream = self.config.stream, %error, "events can't be published now");
                    }
                    known.comparison = None;
                    self.idle(RETRY, &mut woken, stop).await;
                }
            }
        }
        self.publish_rest(known).await;
        Ended::Stopped
    }

    /// What was committed last leaves too, unless that takes too long: the next relay finds it.
    async fn publish_rest(&mut self, mut known: Known) {
        known.deleted = Some(Instant::now());
        let rest =
            async { while matches!(self.turn(&mut known).await, Ok(Turn::Goes | Turn::Published(_))) {} };
        if timeout(LAST_TURNS, rest).await.is_err() {
            tracing::warn!(stream = self.config.stream, "some events wait for the next relay");
        }
    }

    /// Compares if need be, publishes what there is.
    async fn turn(&mut self, known: &mut Known) -> Result<Turn, async_nats::Error> {
        self.measure(known).await?;
        answered(aside::write(&self.db)).await?;
        if !is_connected(&self.nats) {
            return Ok(Turn::Rests);
        }
        let comparison = match known.comparison {
            Some(comparison) => comparison,
            None => self.compare(known).await?,
        };
        let rows = if comparison.lost > 0 {
            rows::lost(&self.db).await?
        } else {
            known.frontier.unpublished(&self.db, self.pace.whole).await?
        };
        if rows.is_empty() {
            if comparison.lost > 0 {
                known.comparison = None;
                return Ok(Turn::Goes);
            }
            let more_to_delete = self.delete(known, comparison).await?;
            if known.compared.elapsed() >= self.pace.compare {
                known.comparison = None;
                return Ok(Turn::Goes);
            }
            return Ok(if more_to_delete { Turn::Goes } else { Turn::Rests });
        }

        let publisher = Publisher {
            config: &self.config,
            db: &self.db,
            jetstream: &self.jetstream,
            repeats: known.repeats,
        };
        let outcome = publisher.publish(&rows, comparison.last, &mut self.reconnects).await?;
        known.repeats = outcome.repeats;
        if let Some(reason) = outcome.disturbed {
            tracing::info!(stream = self.config.stream, reason, "the stream is not as expected");
            known.comparison = None;
            // The first time the comparison helps; after that something else is wrong, which takes time.
            known.in_vain = if outcome.noted > 0 { 0 } else { known.in_vain + 1 };
            return Ok(if known.in_vain < 2 { Turn::Goes } else { Turn::Rests });
        }
        known.in_vain = 0;
        known.comparison = Some(Comparison { last: outcome.last, ..comparison });
        self.delete(known, comparison).await?;
        if known.compared.elapsed() >= self.pace.compare {
            known.comparison = None;
        }
        let all = comparison.lost == 0 && rows.len() < rows::PIPELINE;
        Ok(if all { Turn::Published(rows.len()) } else { Turn::Goes })
    }

    async fn compare(&self, known: &mut Known) -> Result<Comparison, async_nats::Error> {
        let mut comparison = compare::compare(&self.config, &self.db, &self.jetstream).await?;
        if comparison.lost > 0 {
            tracing::warn!(
                stream = self.config.stream,
                events = comparison.lost,
                last = comparison.last,
                "the stream has lost events: they are published again"
            );
            metrics::METRICS.lost.add(comparison.lost, &metrics::stream(self.config.stream));
        } else {
            // An earlier relay may have died after it marked them.
            comparison.lost = rows::lost(&self.db).await?.len() as u64;
        }
        known.compared = Instant::now();
        known.comparison = Some(comparison);
        Ok(comparison)
    }

    /// Deletes old rows, a part of them at a time, as long as the stream was found whole: what it may have lost has
    /// to be published again. Whether there is more.
    async fn delete(&self, known: &mut Known, comparison: Comparison) -> Result<bool, DbErr> {
        let due = known.deleted.is_none_or(|last| last.elapsed() >= self.pace.delete);
        if !due || comparison.lost > 0 || known.comparison.is_none() {
            return Ok(false);
        }
        let more = rows::delete_expired(&self.db, self.pace.keep_days);
        let more = fault::around("relay.forget.commit", more).await?;
        known.deleted = (!more).then(Instant::now);
        Ok(more)
    }

    async fn measure(&self, known: &mut Known) -> Result<(), DbErr> {
        if known.measured.is_none_or(|last| last.elapsed() >= MEASURE) {
            let (rows, age) = rows::lag(&self.db).await?;
            let stream = metrics::stream(self.config.stream);
            metrics::METRICS.unpublished.record(rows, &stream);
            metrics::METRICS.oldest.record(age, &stream);
            known.measured = Some(Instant::now());
        }
        Ok(())
    }

    /// Waits until there may be something to do, `longest` at most.
    async fn idle(&self, longest: Duration, woken: &mut Option<Subscriber>, stop: &CancellationToken) {
        let mut reconnects = self.reconnects.clone();
        let from_replicas = async {
            match woken {
                Some(subscriber) => {
                    subscriber.next().await;
                    // One turn answers them all.
                    while let Some(Some(_)) = futures::FutureExt::now_or_never(subscriber.next()) {}
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wake.called() => {}
            () = from_replicas => {}
            () = reconnects.changed() => {}
            () = sleep(longest) => {}
        }
    }
}
