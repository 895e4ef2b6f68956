//! Chance, so that replicas don't act in step. Not for secrets.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// `SplitMix64` over one counter: callers share it without a lock.
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new() -> Self {
        Self::seeded(RandomState::new().hash_one(()))
    }

    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..sides`.
    pub(crate) fn below(&self, sides: usize) -> usize {
        let wide = u128::from(self.next()) * (sides as u128);
        usize::try_from(wide >> 64).unwrap_or_default()
    }

    /// Between the `from`th part of a duration and the `to`th.
    pub(crate) fn between(&self, duration: Duration, from: f64, to: f64) -> Duration {
        duration.mul_f64(from + self.unit() * (to - from))
    }

    /// True in so many cases of one.
    pub(crate) fn says(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    fn unit(&self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_comes_up_as_often() {
        let dice = Dice::seeded(7);
        let mut seen = [0; 3];
        for _ in 0..3000 {
            seen[dice.below(3)] += 1;
        }
        assert!(seen.iter().all(|times| (900..1100).contains(times)), "{seen:?}");
    }

    #[test]
    fn a_jittered_duration_stays_between() {
        let dice = Dice::seeded(7);
        for _ in 0..1000 {
            let jittered = dice.between(Duration::from_secs(1), 0.9, 1.1);
            assert!((Duration::from_millis(900)..=Duration::from_millis(1100)).contains(&jittered));
        }
    }
}
