//! Whether the database lives: who waits for a busy one is not told that it is down.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::sqlx::{self, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};

/// After so long without a sign of life the database is asked for one.
const QUIET: Duration = Duration::from_millis(250);
/// How long it has to accept a connection. With `QUIET` short enough for callers to hear within a second that it is down,
/// also where other services have been asked before.
const ACCEPT: Duration = Duration::from_millis(350);

/// When the database showed last that it lives.
#[derive(Clone)]
pub struct Pulse(Arc<Signs>);

struct Signs {
    began: Instant,
    /// Microseconds since then.
    last: AtomicU64,
    options: PgConnectOptions,
    /// When it was asked last and did not answer. Locked while it is asked: once, for all who wait.
    unanswered: Mutex<Option<Instant>>,
}

impl Pulse {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let (began, last, unanswered) = (Instant::now(), AtomicU64::default(), Mutex::default());
        Self(Arc::new(Signs { began, last, options, unanswered }))
    }

    /// The database has answered just now.
    pub(super) fn beats(&self) {
        let now = u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.last.fetch_max(now, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.0.began + Duration::from_micros(self.0.last.load(Ordering::Relaxed))
    }

    /// Ends when the database, from now on, is silent and gives no sign of life when asked for one either.
    pub(crate) async fn is_lost(&self) {
        let mut heard = Instant::now();
        loop {
            sleep_until(heard + QUIET).await;
            if !self.is_heard_after(heard).await {
                return;
            }
            heard = self.last();
        }
    }

    /// Whether the database has been heard after `then`, or answers now.
    pub(crate) async fn is_heard_after(&self, then: Instant) -> bool {
        let asks = Instant::now();
        if self.last() > then {
            return true;
        }
        let mut unanswered = self.0.unanswered.lock().await;
        let has_been_asked = unanswered.is_some_and(|at| at > asks);
        if self.last() <= then && !has_been_asked {
            self.ask().await;
            *unanswered = Some(Instant::now());
        }
        self.last() > then
    }

    /// By a connection of its own: those of the pool may all be busy.
    async fn ask(&self) {
        match timeout(ACCEPT, PgConnection::connect_with(&self.0.options)).await {
            Ok(Ok(connection)) => {
                self.beats();
                let _ = timeout(ACCEPT, connection.close()).await;
            }
            // Insufficient resources, such as a place for one connection more: it lives.
            Ok(Err(sqlx::Error::Database(refusal)))
                if refusal.code().is_some_and(|code| code.starts_with("53")) =>
            {
                self.beats();
            }
            Ok(Err(error)) => tracing::debug!(%error, "the database refuses a connection"),
            Err(_) => tracing::debug!("the database does not accept a connection"),
        }
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pulse").field("last", &self.last()).finish_non_exhaustive()
    }
}
