use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tracing::{Dispatch, Subscriber, subscriber::DefaultGuard};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _};

/// What a test's own thread logs.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects as text what passes the filter (`off,order=info`), until the guard is dropped.
    #[must_use]
    pub fn collect(filter: &str) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let layer = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        (log, listen(tracing_subscriber::registry().with(EnvFilter::new(filter)).with(layer)))
    }

    /// As [`collect`](Self::collect), each line a JSON object.
    #[must_use]
    pub fn collect_json(filter: &str) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let layer = fmt::layer().json().with_writer(move || writer.clone());
        (log, listen(tracing_subscriber::registry().with(EnvFilter::new(filter)).with(layer)))
    }

    /// All of it so far.
    #[must_use]
    pub fn text(&self) -> String {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&written).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// While a process has one subscriber only, tracing asks the thread that is the first to come to an event whether anybody
/// listens, and remembers the answer: another test's thread says no. So there is a second one, which lasts.
fn listen(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
    tracing::subscriber::set_default(subscriber)
}
