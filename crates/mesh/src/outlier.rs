//! Which endpoints are left alone for a while because they fail.

use std::time::Duration;

use tokio::time::Instant;

/// When an endpoint is put out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierPolicy {
    /// Failures in a row, with no answer between them.
    pub failures: u32,
    /// The first time out; each next is twice as long.
    pub shortest: Duration,
    /// No time out is longer, and an endpoint that did well for this long starts anew.
    pub longest: Duration,
}

impl Default for OutlierPolicy {
    fn default() -> Self {
        Self { failures: 5, shortest: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

/// What is known of one endpoint's failures.
#[derive(Debug)]
pub(crate) struct Outlier {
    policy: OutlierPolicy,
    failures: u32,
    times_out: u32,
    out_until: Option<Instant>,
}

impl Outlier {
    pub(crate) const fn new(policy: OutlierPolicy) -> Self {
        Self { policy, failures: 0, times_out: 0, out_until: None }
    }

    pub(crate) fn is_out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    pub(crate) fn answered(&mut self, now: Instant) {
        self.failures = 0;
        if self.out_until.is_some_and(|until| now >= until + self.policy.longest) {
            self.times_out = 0;
            self.out_until = None;
        }
    }

    /// Whether it is time to put the endpoint out, if enough others stay.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        !self.is_out(now) && self.failures >= self.policy.failures
    }

    /// Until when.
    pub(crate) fn put_out(&mut self, now: Instant) -> Instant {
        let doubled = 1 << self.times_out.min(16);
        let until = now + (self.policy.shortest * doubled).min(self.policy.longest);
        self.out_until = Some(until);
        self.times_out += 1;
        // Back on trial: the next failure is enough.
        self.failures = self.policy.failures.saturating_sub(1);
        until
    }
}

/// Half of the endpoints stay, however badly they do: they may all look bad because of something else.
pub(crate) const fn may_put_out(known: usize, out: usize) -> bool {
    (out + 1) * 2 <= known
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failing(outlier: &mut Outlier, times: u32, now: Instant) -> bool {
        (0..times).any(|_| outlier.failed(now))
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let now = Instant::now();
        let mut outlier = Outlier::new(OutlierPolicy::default());
        assert!(!failing(&mut outlier, 4, now));
        outlier.answered(now);
        assert!(!failing(&mut outlier, 4, now));
        assert!(outlier.failed(now));
    }

    #[test]
    fn it_is_out_longer_each_time_and_then_forgiven() {
        let policy = OutlierPolicy::default();
        let mut now = Instant::now();
        let mut outlier = Outlier::new(policy);
        assert!(failing(&mut outlier, 5, now));
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            outlier.put_out(now);
            assert!(outlier.is_out(now + Duration::from_millis(seconds * 1000 - 1)), "{seconds}");
            now += Duration::from_secs(seconds);
            assert!(!outlier.is_out(now));
            assert!(outlier.failed(now), "on trial");
        }
        now += policy.longest;
        outlier.answered(now);
        assert!(!failing(&mut outlier, 4, now));
        assert!(outlier.failed(now));
        outlier.put_out(now);
        assert!(!outlier.is_out(now + policy.shortest));
    }

    proptest! {
        #[test]
        fn at_most_half_are_out(known in 0usize..50) {
            let mut out = 0;
            while may_put_out(known, out) {
                out += 1;
            }
            prop_assert_eq!(out, known / 2);
        }
    }
}
