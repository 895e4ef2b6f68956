//! Whether the database lives: who waits for a busy one is not told that it is down.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use sea_orm::sqlx::{self, Connection as _, PgConnection, PgPool, error::DatabaseError};
use tokio::time::{Instant, sleep, sleep_until};

/// After so long without a sign of life the database is asked for one.
const QUIET: Duration = Duration::from_millis(250);
/// How often it is asked while it refuses, as it does while it starts.
const AGAIN: Duration = Duration::from_millis(50);
/// For how many times as long it may take to accept a connection. With `QUIET` short enough for callers to hear within a
/// second that it is down, also where other services have been asked before.
const PATIENCE: u32 = 7;

/// When the database showed last that it lives.
#[derive(Clone, Debug)]
pub(super) struct Signs {
    began: Instant,
    /// Microseconds since then.
    last: Arc<AtomicU64>,
}

impl Signs {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), last: Arc::default() }
    }

    /// The database has answered just now.
    pub(super) fn beats(&self) {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.fetch_max(now, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }
}

/// Tells a database that is down from one that is busy, or that nobody has asked anything.
#[derive(Clone)]
pub struct Pulse {
    signs: Signs,
    pool: PgPool,
    /// How the database is being asked, for all who wait, even if whoever was first leaves.
    asking: Arc<Mutex<Option<Shared<BoxFuture<'static, ()>>>>>,
}

impl Pulse {
    pub(super) fn new(signs: Signs, pool: PgPool) -> Self {
        Self { signs, pool, asking: Arc::default() }
    }

    /// Whether the database has been heard after `then`.
    pub(crate) fn was_heard_after(&self, then: Instant) -> bool {
        self.signs.last() > then
    }

    /// Ends when somebody, from now on, waits for the database, and it is silent, also when asked for a sign of life.
    pub(crate) async fn is_lost(&self) {
        let mut heard = Instant::now();
        loop {
            sleep_until(heard + QUIET).await;
            if self.was_heard_after(heard) {
                heard = self.signs.last();
            } else if self.is_idle() {
                heard = Instant::now();
            } else {
                self.is_asked().await;
                if !self.was_heard_after(heard) {
                    return;
                }
            }
        }
    }

    /// Whether nobody uses a connection, or makes one.
    fn is_idle(&self) -> bool {
        self.pool.num_idle() >= self.pool.size() as usize
    }

    /// Waits until the database has been asked.
    fn is_asked(&self) -> Shared<BoxFuture<'static, ()>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asking) = asking.as_ref().filter(|asking| asking.peek().is_none()) {
            return asking.clone();
        }
        let pulse = self.clone();
        let anew = async move { pulse.ask().await }.boxed().shared();
        tokio::spawn(anew.clone());
        *asking = Some(anew.clone());
        anew
    }

    /// By a connection of its own: those of the pool may all be busy.
    async fn ask(&self) {
        let options = self.pool.connect_options();
        let mut refusal = None;
        let accepted = async {
            while let Err(error) = PgConnection::connect_with(&options).await {
                if lives(&error) {
                    return;
                }
                refusal = Some(error);
                sleep(AGAIN).await;
            }
        };
        // In steps: a process that stands still takes one for as long, and must not blame the database.
        let patience = async {
            for _ in 0..PATIENCE {
                sleep(AGAIN).await;
            }
        };
        tokio::select! {
            biased;
            () = accepted => self.signs.beats(),
            () = patience => {
                let refusal = refusal.as_ref().map(tracing::field::display);
                tracing::warn!(error = refusal, "the database gives no sign of life");
            }
        }
    }
}

/// Whether the server has answered, be it that it has no place for one connection more: all but that it starts or stops.
fn lives(refusal: &sqlx::Error) -> bool {
    let code = refusal.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| !code.starts_with("57P"))
}

impl fmt::Debug for Pulse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pulse").field("signs", &self.signs).finish_non_exhaustive()
    }
}
