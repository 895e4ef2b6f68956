//! How many calls may be tried again, lest retries bring down what is struggling.

use std::time::Duration;

use tokio::time::Instant;

/// How much trying again is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetPolicy {
    /// Retries that each call earns.
    pub per_call: f64,
    /// Retries that each second earns, for those who rarely call.
    pub per_second: f64,
    /// Retries that can be saved up: as many calls may be under way to a replica that dies.
    pub saved: f64,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self { per_call: 0.1, per_second: 1.0, saved: 200.0 }
    }
}

/// A token bucket that starts full.
#[derive(Debug)]
pub(crate) struct Budget {
    policy: BudgetPolicy,
    tokens: f64,
    at: Instant,
}

impl Budget {
    pub(crate) const fn new(policy: BudgetPolicy, now: Instant) -> Self {
        Self { policy, tokens: policy.saved, at: now }
    }

    /// For each call, not for its retries.
    pub(crate) fn earn(&mut self, now: Instant) {
        let passed: Duration = now.saturating_duration_since(self.at);
        let earned = self.policy.per_call + passed.as_secs_f64() * self.policy.per_second;
        self.tokens = (self.tokens + earned).min(self.policy.saved);
        self.at = now;
    }

    /// Whether one retry is allowed; it is counted.
    pub(crate) fn spend(&mut self) -> bool {
        let is_allowed = self.tokens >= 1.0;
        if is_allowed {
            self.tokens -= 1.0;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn retries_stay_within_the_share_and_the_savings(
            calls in prop::collection::vec((0u64..50, 0usize..4), 1..2_000)
        ) {
            let policy = BudgetPolicy::default();
            let began = Instant::now();
            let mut now = began;
            let mut budget = Budget::new(policy, now);
            let mut retries = 0u32;
            for (idle, wanted) in &calls {
                now += Duration::from_millis(*idle);
                budget.earn(now);
                retries += (0..*wanted).map(|_| u32::from(budget.spend())).sum::<u32>();
            }
            let earned = (now - began).as_secs_f64() * policy.per_second
                + f64::from(u32::try_from(calls.len()).unwrap()) * policy.per_call;
            prop_assert!(f64::from(retries) <= policy.saved + earned + 1e-6);
        }
    }

    #[test]
    fn nobody_is_without_a_retry_for_ever() {
        let mut now = Instant::now();
        let mut budget = Budget::new(BudgetPolicy::default(), now);
        while budget.spend() {}
        now += Duration::from_secs(1);
        budget.earn(now);
        assert!(budget.spend());
        assert!(!budget.spend());
    }
}
