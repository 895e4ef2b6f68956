//! Which of two endpoints takes a call: power of two choices on peak-EWMA latency.

use std::{cmp::Ordering, time::Duration};

use tokio::time::Instant;

use crate::dice::Dice;

/// How soon an endpoint that nobody calls is thought as quick again: its estimate shrinks by e in this time.
const DECAY: Duration = Duration::from_secs(1);
/// A slow answer counts whole only after this long without another: one that was unlucky, or many that one stall held
/// up, say less than an endpoint that stays slow.
const RISE: Duration = Duration::from_millis(250);
/// How much an answer quicker than the estimate counts.
const RECOVERY: f64 = 0.1;
/// What an answer that isn't one counts as, lest the endpoint that fails fastest draws the calls.
const FAILURE: Duration = Duration::from_secs(1);
/// Latencies that differ by less than this are chance, not evidence: then only the calls under way count.
const ALIKE: f64 = 3.0;
/// What an answer from another zone counts as at least when that zone would help out: what was quick there is not known
/// for long, and stalls are no reason to go.
const FURTHER: Duration = Duration::from_millis(50);

/// What an endpoint's answers take: quickly up, down with time and with each quicker answer, and never less than the
/// endpoint has kept silent while calls wait.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    last: Option<(f64, Instant)>,
    waiting: usize,
    silent_since: Option<Instant>,
}

impl Latency {
    /// A call begins to wait.
    pub(crate) fn begun(&mut self, now: Instant) {
        self.waiting += 1;
        self.silent_since.get_or_insert(now);
    }

    /// A call that began doesn't wait any more; what it got is noted apart.
    pub(crate) const fn ended(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.silent_since = None;
        }
    }

    pub(crate) fn answered(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let seconds = match (self.remembered(now), self.last) {
            (Some(before), _) if took < before => before + (took - before) * RECOVERY,
            (Some(before), Some((_, at))) => {
                let since = now.saturating_duration_since(at).as_secs_f64();
                before + (took - before) * (1.0 - (-since / RISE.as_secs_f64()).exp())
            }
            _ => took,
        };
        self.last = Some((seconds, now));
        self.silent_since = self.silent_since.map(|_| now);
    }

    /// One alone hardly counts: it may be the request's own fault.
    pub(crate) fn faltered(&mut self, took: Duration, now: Instant) {
        self.answered(took.max(FAILURE), now);
    }

    /// No doubt about it: at once.
    pub(crate) fn failed(&mut self, took: Duration, now: Instant) {
        self.last = Some((took.max(FAILURE).as_secs_f64(), now));
    }

    /// In seconds; nothing before the first answer.
    pub(crate) fn at(&self, now: Instant) -> Option<f64> {
        let Some(since) = self.silent_since else { return self.remembered(now) };
        // One call is enough to find out whether a slow endpoint is quick again: until it is answered, nothing is
        // forgotten.
        let silent = now.saturating_duration_since(since).as_secs_f64();
        self.last.map(|(seconds, _)| seconds.max(silent))
    }

    /// Whether calls have waited for so long without any answer.
    pub(crate) fn is_silent(&self, since: Duration, now: Instant) -> bool {
        self.silent_since.is_some_and(|began| now.saturating_duration_since(began) >= since)
    }

    fn remembered(&self, now: Instant) -> Option<f64> {
        let (seconds, at) = self.last?;
        let idle = now.saturating_duration_since(at).as_secs_f64() / DECAY.as_secs_f64();
        Some(seconds * (-idle).exp())
    }
}

/// What one more call to an endpoint would cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) latency: Option<f64>,
    pub(crate) pending: usize,
}

impl Cost {
    fn compare(self, other: Self) -> Ordering {
        match (self.latency, other.latency) {
            (Some(mine), Some(its)) if mine.max(its) > mine.min(its) * ALIKE => {
                self.with(mine).total_cmp(&other.with(its))
            }
            _ => self.pending.cmp(&other.pending),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 calls under way")]
    fn with(self, latency: f64) -> f64 {
        latency * (self.pending as f64 + 1.0)
    }

    /// Whether a call had better go on to another zone: what it saves there is much more than the way.
    pub(crate) fn is_worth_leaving_for(self, further: Self) -> bool {
        let least = FURTHER.as_secs_f64();
        let latency = further.latency.map_or(least, |latency| latency.max(least));
        self.latency.is_some_and(|mine| mine > latency * ALIKE)
            && self.compare(Self { latency: Some(latency), ..further }).is_gt()
    }
}

/// How often a call stays in its own zone, out of all, when so many of those that could take it are there.
///
/// Where callers are spread evenly over the zones, each zone's callers are due an equal part of the endpoints: with that
/// many near by, or more, all calls stay. With fewer, the rest goes to those who have more than their callers need, lest a
/// zone's only endpoint gets a third of all calls.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 endpoints")]
pub(crate) fn share_that_stays(near: usize, all: usize, zones: usize) -> f64 {
    (near as f64 * zones as f64 / all.max(1) as f64).min(1.0)
}

/// The position of the cheaper of two that chance names.
pub(crate) fn choose(costs: &[Cost], dice: &Dice) -> Option<usize> {
    match costs.len() {
        0 => None,
        1 => Some(0),
        known => {
            let first = dice.below(known);
            let second = (first + 1 + dice.below(known - 1)) % known;
            Some(if costs[second].compare(costs[first]).is_lt() { second } else { first })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// One call after the other: nobody is ever busy, only latency tells.
    fn share_of_first(latencies: [Duration; 2], fails: bool) -> usize {
        let (dice, mut now) = (Dice::seeded(1), Instant::now());
        let mut known = [Latency::default(); 2];
        let mut first = 0;
        for _ in 0..10_000 {
            let costs = known.map(|latency| Cost { latency: latency.at(now), pending: 0 });
            let chosen = choose(&costs, &dice).unwrap();
            first += usize::from(chosen == 0);
            now += latencies[chosen].max(2 * MILLISECOND);
            if fails && chosen == 0 {
                known[0].failed(latencies[0], now);
            } else {
                known[chosen].answered(latencies[chosen], now);
            }
        }
        first
    }

    #[test]
    fn equals_share() {
        let first = share_of_first([MILLISECOND; 2], false);
        assert!((4500..5500).contains(&first), "{first}");
    }

    #[test]
    fn the_slow_one_is_left() {
        let first = share_of_first([10 * MILLISECOND, MILLISECOND], false);
        assert!((1..300).contains(&first), "{first}");
    }

    #[test]
    fn the_one_that_fails_fast_is_left_and_asked_again() {
        let first = share_of_first([MILLISECOND / 10, MILLISECOND], true);
        assert!((1..100).contains(&first), "{first}");
    }

    #[test]
    fn one_stall_says_little() {
        let mut now = Instant::now();
        let mut latency = Latency::default();
        for _ in 0..100 {
            now += 4 * MILLISECOND;
            latency.answered(MILLISECOND, now);
        }
        for _ in 0..10 {
            latency.answered(50 * MILLISECOND, now);
        }
        assert!(latency.at(now).unwrap() < 0.003);
        for _ in 0..100 {
            now += 4 * MILLISECOND;
            latency.answered(50 * MILLISECOND, now);
        }
        assert!(latency.at(now).unwrap() > 0.03, "{:?}", latency.at(now));
    }

    #[test]
    fn one_fault_says_little_and_many_say_enough() {
        let mut now = Instant::now();
        let mut latency = Latency::default();
        latency.answered(MILLISECOND, now);
        now += MILLISECOND;
        latency.faltered(MILLISECOND, now);
        assert!(latency.at(now).unwrap() < 0.01, "{:?}", latency.at(now));
        for _ in 0..100 {
            now += 4 * MILLISECOND;
            latency.faltered(MILLISECOND, now);
        }
        assert!(latency.at(now).unwrap() > 0.5, "{:?}", latency.at(now));
    }

    #[test]
    fn silence_counts_while_calls_wait() {
        let mut now = Instant::now();
        let mut latency = Latency::default();
        latency.answered(MILLISECOND, now);
        for _ in 0..2 {
            latency.begun(now);
        }
        now += Duration::from_secs(3);
        assert!(latency.at(now).unwrap() >= 3.0);
        assert!(
            latency.is_silent(Duration::from_secs(3), now) && !latency.is_silent(Duration::from_secs(4), now)
        );
        latency.ended();
        assert!(latency.at(now).unwrap() >= 3.0, "one still waits");
        latency.ended();
        assert!(latency.at(now).unwrap() < 0.001);
    }

    #[test]
    fn one_call_at_a_time_finds_out_whether_it_is_quick_again() {
        let mut now = Instant::now();
        let mut latency = Latency::default();
        latency.failed(MILLISECOND, now);
        now += Duration::from_secs(10);
        assert!(latency.at(now).unwrap() < 0.001);
        latency.begun(now);
        assert!(latency.at(now).unwrap() >= 1.0);
        now += MILLISECOND;
        latency.answered(MILLISECOND, now);
        latency.ended();
        assert!(latency.at(now).unwrap() <= 0.001);
    }

    #[test]
    fn of_equals_the_idler_is_taken() {
        let cost = |pending| Cost { latency: Some(0.001), pending };
        assert_eq!(cost(1).compare(cost(2)), Ordering::Less);
        assert_eq!(cost(2).compare(cost(2)), Ordering::Equal);
    }

    #[test]
    fn a_newcomer_is_judged_by_its_calls_under_way() {
        let newcomer = Cost { latency: None, pending: 5 };
        assert_eq!(newcomer.compare(Cost { latency: Some(0.001), pending: 4 }), Ordering::Greater);
        assert_eq!(newcomer.compare(Cost { latency: Some(1.0), pending: 6 }), Ordering::Less);
    }

    #[test]
    fn a_zone_keeps_what_its_endpoints_are_due() {
        let percent = |near, all, zones| format!("{:.0}", 100.0 * share_that_stays(near, all, zones));
        assert_eq!(percent(1, 3, 3), "100");
        assert_eq!(percent(2, 4, 3), "100", "it has more than it needs");
        assert_eq!(percent(1, 4, 3), "75");
        assert_eq!(percent(1, 10, 2), "20");
        assert_eq!(percent(0, 4, 2), "0");
        assert_eq!(percent(3, 3, 1), "100");
    }

    #[test]
    fn a_zone_is_left_only_for_one_that_is_much_quicker() {
        let cost = |millis: f64| Cost { latency: Some(millis / 1000.0), pending: 1 };
        assert!(!cost(100.0).is_worth_leaving_for(cost(0.1)), "that may be a stall");
        assert!(!cost(500.0).is_worth_leaving_for(cost(400.0)), "the other is as slow");
        assert!(cost(200.0).is_worth_leaving_for(cost(2.0)));
        assert!(cost(200.0).is_worth_leaving_for(Cost { latency: None, pending: 0 }));
        assert!(!Cost { latency: None, pending: 9 }.is_worth_leaving_for(cost(1.0)));
    }

    proptest! {
        #[test]
        fn an_estimate_stays_between_nothing_and_the_slowest(
            answers in prop::collection::vec((0u64..5_000, 0u64..5_000), 1..50)
        ) {
            let mut now = Instant::now();
            let mut latency = Latency::default();
            let mut slowest = Duration::ZERO;
            for (took, idle) in answers {
                now += Duration::from_millis(idle);
                let took = Duration::from_millis(took);
                slowest = slowest.max(took);
                latency.answered(took, now);
                let seconds = latency.at(now).unwrap();
                prop_assert!((0.0..=slowest.as_secs_f64()).contains(&seconds));
            }
        }

        #[test]
        fn somebody_is_chosen(pending in prop::collection::vec(0usize..9, 1..9), seed in any::<u64>()) {
            let costs: Vec<_> = pending.iter().map(|pending| Cost { latency: None, pending: *pending }).collect();
            let chosen = choose(&costs, &Dice::seeded(seed)).unwrap();
            let busiest = pending.iter().max();
            // Two different ones are compared, so the busiest never wins against an idler one.
            let all_alike = pending.iter().all(|other| other == &pending[0]);
            let ties = pending.iter().filter(|other| Some(*other) == busiest).count();
            prop_assert!(all_alike || ties > 1 || Some(&pending[chosen]) != busiest);
        }
    }
}
