//! How much of the processors' time a virtual machine's host keeps for others.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
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
    looks: Arc<Looks>,
    _end: Sender<()>,
}

/// When each look ended, and the part of its time that was stolen.
#[derive(Default)]
struct Looks {
    all: Mutex<Vec<(Instant, f64)>>,
    one_more: Condvar,
}

impl Host {
    pub(super) fn watch() -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let looks = Arc::<Looks>::default();
        let host = Self { looks: Arc::clone(&looks), _end: end };
        thread::spawn(move || {
            let mut before = Processors::read();
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let now = Processors::read();
                let look = (Instant::now(), now.stolen_since(before));
                looks.all.lock().unwrap_or_else(PoisonError::into_inner).push(look);
                looks.one_more.notify_all();
                before = now;
            }
        });
        host
    }

    /// One that steals so much during the look that is under way.
    #[cfg(test)]
    pub(super) fn stealing(part: f64) -> Self {
        Self::after(vec![(Instant::now() + LOOK, part)])
    }

    #[cfg(test)]
    fn after(looks: Vec<(Instant, f64)>) -> Self {
        let (end, _) = mpsc::channel();
        Self { looks: Arc::new(Looks { all: Mutex::new(looks), ..Looks::default() }), _end: end }
    }

    /// Whether so much was stolen before that moment that who was late then may have been so for the host's sake. Waits
    /// for the end of the look that was under way.
    pub(super) fn stole_much_before(&self, moment: Instant) -> bool {
        let looks = self.looks.all.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing = |looks: &mut Vec<(Instant, f64)>| looks.last().is_none_or(|(at, _)| *at < moment);
        let waited = self.looks.one_more.wait_timeout_while(looks, 2 * LOOK, is_missing);
        let (looks, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let known = looks.partition_point(|(at, _)| *at < moment) + 1;
        let is_recent = |at: Instant| moment.saturating_duration_since(at) <= BEFORE;
        looks.iter().take(known).any(|(at, part)| is_recent(*at) && *part >= MUCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stolen_is_known_when_the_look_has_ended() {
        let host = Host::after(Vec::new());
        let failed = Instant::now();
        let looks = Arc::clone(&host.looks);
        let looking = thread::spawn(move || {
            looks.all.lock().unwrap().push((Instant::now(), 0.5));
            looks.one_more.notify_all();
        });

        assert!(host.stole_much_before(failed));
        looking.join().unwrap();
    }

    #[test]
    fn neither_what_was_stolen_long_ago_nor_later_excuses_anybody() {
        let long_ago = Instant::now();
        let failed = long_ago + BEFORE + LOOK;
        let looks =
            [(long_ago, 1.0), (long_ago + BEFORE, 0.0), (failed + LOOK / 2, 0.0), (failed + 2 * LOOK, 1.0)];

        assert!(!Host::after(looks.to_vec()).stole_much_before(failed));
        assert!(Host::after(looks.to_vec()).stole_much_before(failed + LOOK));
    }
}
