//! Whether the machine runs: a virtual one is at times kept from its processors by others on the same host, and what was
//! to be heard within a second then says nothing of who was to say it.

use std::{
    collections::VecDeque,
    fs,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How often the processors are looked at, and how long that is known.
const EVERY: Duration = Duration::from_millis(100);
const KNOWN: usize = 18_000;
/// What began so soon afterwards still suffers from it.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// The machine stands still when so much of what it wants is withheld.
const STILL: f64 = 0.15;
/// Patience is stretched so often at most.
const STRETCHED: u32 = 5;

/// How much time has been withheld in all, at each look.
static PAST: Mutex<VecDeque<(Instant, Duration)>> = Mutex::new(VecDeque::new());

/// Begins to look on, if nobody did before. What was withheld earlier is not known.
pub fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        thread::spawn(look_on);
    });
}

/// How much of the time since then the machine was given.
#[must_use]
pub fn given_since(then: impl Into<Instant>) -> Duration {
    let then = then.into();
    let passed = then.elapsed();
    passed.saturating_sub(withheld(then, Instant::now())).max(passed / STRETCHED)
}

/// Whether the machine stood still, mostly by turns, at that time or just before.
#[must_use]
pub fn stood_still(from: impl Into<Instant>, to: impl Into<Instant>) -> bool {
    let (from, to) = (from.into(), to.into());
    let from = from.checked_sub(AFTERWARDS).unwrap_or(from);
    withheld(from, to) > (to - from).mul_f64(STILL)
}

fn withheld(from: Instant, to: Instant) -> Duration {
    watch();
    let past = past();
    let until = |moment| {
        let later = past.partition_point(|(at, _)| *at <= moment);
        past.get(later.saturating_sub(1)).map_or(Duration::ZERO, |(_, withheld)| *withheld)
    };
    until(to).saturating_sub(until(from))
}

/// Where nothing says how the processors do, as on another system than Linux, nothing is withheld.
fn look_on() {
    let mut before = Processors::read();
    let mut looked = Instant::now();
    let mut withheld = Duration::ZERO;
    loop {
        thread::sleep(EVERY);
        let (now, at) = (Processors::read(), Instant::now());
        withheld += (at - looked).mul_f64(now.withheld_since(before));
        (before, looked) = (now, at);
        let mut past = past();
        past.push_back((at, withheld));
        if past.len() > KNOWN {
            past.pop_front();
        }
    }
}

fn past() -> MutexGuard<'static, VecDeque<(Instant, Duration)>> {
    PAST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the processors have done since the machine started, in ticks of all.
#[derive(Clone, Copy, Default)]
struct Processors {
    worked: u64,
    withheld: u64,
}

impl Processors {
    fn read() -> Self {
        fs::read_to_string("/proc/stat").ok().and_then(|text| Self::of(&text)).unwrap_or_default()
    }

    /// From the first line of proc(5)'s `stat`: user, nice, system, idle, iowait, irq, softirq, steal.
    fn of(text: &str) -> Option<Self> {
        let ticks: Vec<u64> =
            text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().flat_map(str::parse).collect();
        let [user, nice, system, _, _, irq, softirq, withheld] = *ticks.first_chunk()?;
        Some(Self { worked: user + nice + system + irq + softirq, withheld })
    }

    /// The part that was withheld of what was wanted.
    fn withheld_since(self, before: Self) -> f64 {
        let withheld = self.withheld.saturating_sub(before.withheld);
        let wanted = withheld + self.worked.saturating_sub(before.worked);
        let [withheld, wanted] = [withheld, wanted].map(|ticks| u32::try_from(ticks).unwrap_or(u32::MAX));
        if wanted == 0 { 0.0 } else { f64::from(withheld) / f64::from(wanted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_is_a_part_of_what_is_wanted() {
        let before = Processors::of("cpu  100 0 50 900 10 1 2 7 0 0\ncpu0 1 2 3\n").unwrap();
        let now = Processors::of("cpu  150 0 70 9000 99 1 7 32 0 0\n").unwrap();
        assert!((now.withheld_since(before) - 0.25).abs() < 1e-9);
        assert!(now.withheld_since(now).abs() < 1e-9);
        assert!(Processors::of("intr 5").is_none());
    }
}
