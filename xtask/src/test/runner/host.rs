//! How much of the processors' time a virtual machine's host keeps for others.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use steal::Processors;

/// How often the processors are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// What was stolen so long before a test's end may have made it late: as long as one waits at most, two minutes that are
/// stretched to ten where processors are stolen.
const BEFORE: Duration = Duration::from_mins(10);
/// The part of one look's time from which on who is late may be so for the host's sake.
const MUCH: f64 = 0.25;

/// What the host steals, look by look, until it is dropped.
pub(super) struct Host {
    looks: Arc<Mutex<Vec<(Instant, f64)>>>,
    _end: Sender<()>,
}

impl Host {
    pub(super) fn watch() -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let looks = Arc::<Mutex<Vec<_>>>::default();
        let host = Self { looks: Arc::clone(&looks), _end: end };
        thread::spawn(move || {
            let mut before = Processors::read();
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let now = Processors::read();
                let look = (Instant::now(), now.stolen_since(before));
                looks.lock().unwrap_or_else(PoisonError::into_inner).push(look);
                before = now;
            }
        });
        host
    }

    /// One that has just stolen everything.
    #[cfg(test)]
    pub(super) fn thief() -> Self {
        let (end, _) = mpsc::channel();
        Self { looks: Arc::new(Mutex::new(vec![(Instant::now(), 1.0)])), _end: end }
    }

    /// Whether so much was stolen lately that who is late may be so for the host's sake.
    pub(super) fn stole_much(&self) -> bool {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.iter().rev().take_while(|(at, _)| at.elapsed() <= BEFORE).any(|(_, part)| *part >= MUCH)
    }
}
