//! A token bucket, kept as one moment.

use std::time::{Duration, Instant};

/// What an allowance grows by, and to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rate {
    /// Calls a second, for as long as one likes.
    pub(crate) per_second: u32,
    /// Calls at once, after a pause.
    pub(crate) burst: u32,
}

/// What is left of an allowance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(super) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one call, or says how long to wait for it.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let one = Duration::from_secs(1) / rate.per_second.max(1);
        let full_at = self.full_at.max(now) + one;
        let wait = full_at.saturating_duration_since(now + one * rate.burst.max(1));
        if wait.is_zero() {
            self.full_at = full_at;
            Ok(())
        } else {
            Err(wait)
        }
    }

    /// As if one call had not been taken.
    pub(super) fn give_back(&mut self, rate: Rate) {
        let one = Duration::from_secs(1) / rate.per_second.max(1);
        self.full_at = self.full_at.checked_sub(one).unwrap_or(self.full_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

    #[test]
    fn a_burst_passes_and_then_as_many_as_the_rate_allows() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        for _ in 0..3 {
            assert_eq!(bucket.take(RATE, start), Ok(()));
        }
        assert_eq!(bucket.take(RATE, start), Err(Duration::from_millis(100)));
        let passed = (1..=1000_u64)
            .filter(|millis| bucket.take(RATE, start + Duration::from_millis(*millis)).is_ok())
            .count();
        assert_eq!(passed, 10);
    }

    #[test]
    fn who_comes_when_told_to_is_let_in() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let mut now = start;
        for _ in 0..20 {
            if let Err(wait) = bucket.take(RATE, now) {
                now += wait;
                assert_eq!(bucket.take(RATE, now), Ok(()));
            }
        }
        assert_eq!(now - start, Duration::from_millis(1700));
    }

    #[test]
    fn a_long_pause_saves_up_no_more_than_a_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        let later = start + Duration::from_hours(1);
        assert_eq!((0..100).filter(|_| bucket.take(RATE, later).is_ok()).count(), 3);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        for _ in 0..1000 {
            assert_eq!(bucket.take(RATE, start), Ok(()));
            bucket.give_back(RATE);
        }
        assert_eq!((0..100).filter(|_| bucket.take(RATE, start).is_ok()).count(), 3);
    }

    #[test]
    fn refusals_cost_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        for _ in 0..1000 {
            let _ = bucket.take(RATE, start);
        }
        assert_eq!(bucket.take(RATE, start + Duration::from_millis(100)), Ok(()));
    }
}
