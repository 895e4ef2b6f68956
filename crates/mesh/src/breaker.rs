//! Whether a service is asked at all: not while it fails.

use std::time::Duration;

use tokio::time::Instant;

/// When a service isn't asked any more, and when it is asked again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// The share of failures that opens it.
    pub failure_rate: f64,
    /// With fewer attempts than these in the window, nothing is concluded.
    pub least_attempts: f64,
    /// How long an attempt counts: its weight shrinks by e in this time.
    pub window: Duration,
    /// The first time open; each next is twice as long while the service still fails.
    pub shortest: Duration,
    /// No time open is longer.
    pub longest: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_rate: 0.5,
            least_attempts: 20.0,
            window: Duration::from_secs(3),
            shortest: Duration::from_secs(1),
            longest: Duration::from_secs(10),
        }
    }
}

/// What an attempt says of the service. Its refusals are answers like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answered,
    Failed,
    /// Given up by the caller, or never sent.
    Unknown,
}

/// How an attempt was let through; to be handed back with its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Ordinary,
    Probe,
}

/// What changed, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Opened,
    Closed,
}

/// Closed, then open after enough failures, then half-open: one attempt after the other shows whether it may close. None
/// of them is waited for longer than `shortest`.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    state: State,
    times_open: u32,
}

#[derive(Debug)]
enum State {
    Closed(Window),
    Open { until: Instant },
    HalfOpen { next_probe: Instant },
}

#[derive(Debug)]
struct Window {
    attempts: f64,
    failures: f64,
    at: Instant,
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy, now: Instant) -> Self {
        Self { policy, state: State::closed(now), times_open: 0 }
    }

    /// Lets an attempt through, or says when to come back.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Pass, Duration> {
        match &mut self.state {
            State::Closed(_) => Ok(Pass::Ordinary),
            State::Open { until } if now < *until => Err(*until - now),
            State::HalfOpen { next_probe } if now < *next_probe => Err(*next_probe - now),
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen { next_probe: now + self.policy.shortest };
                Ok(Pass::Probe)
            }
        }
    }

    pub(crate) fn note(&mut self, pass: Pass, verdict: Verdict, now: Instant) -> Option<Turn> {
        match (&mut self.state, pass, verdict) {
            (State::Closed(_), _, Verdict::Unknown) => None,
            (State::Closed(window), _, verdict) => {
                window.note(verdict, self.policy.window, now);
                let is_failing = verdict == Verdict::Failed
                    && window.attempts >= self.policy.least_attempts
                    && window.failures >= window.attempts * self.policy.failure_rate;
                is_failing.then(|| self.open(now))
            }
            (State::HalfOpen { .. }, Pass::Probe, Verdict::Answered) => {
                self.state = State::closed(now);
                self.times_open = 0;
                Some(Turn::Closed)
            }
            (State::HalfOpen { .. }, Pass::Probe, Verdict::Failed) => {
                self.open(now);
                None
            }
            (State::HalfOpen { next_probe }, Pass::Probe, Verdict::Unknown) => {
                *next_probe = now;
                None
            }
            // Begun before it opened: old news.
            (State::Open { .. } | State::HalfOpen { .. }, _, _) => None,
        }
    }

    /// Whether it would let nothing through now.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        match self.state {
            State::Closed(_) => false,
            State::Open { until } => now < until,
            State::HalfOpen { next_probe } => now < next_probe,
        }
    }

    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    fn open(&mut self, now: Instant) -> Turn {
        let doubled = 1 << self.times_open.min(16);
        let open = (self.policy.shortest * doubled).min(self.policy.longest);
        self.state = State::Open { until: now + open };
        self.times_open += 1;
        Turn::Opened
    }
}

impl State {
    const fn closed(now: Instant) -> Self {
        Self::Closed(Window { attempts: 0.0, failures: 0.0, at: now })
    }
}

impl Window {
    fn note(&mut self, verdict: Verdict, window: Duration, now: Instant) {
        let idle = now.saturating_duration_since(self.at).as_secs_f64() / window.as_secs_f64();
        let kept = (-idle).exp();
        self.attempts = self.attempts * kept + 1.0;
        self.failures = self.failures * kept + f64::from(u8::from(verdict == Verdict::Failed));
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(breaker: &mut Breaker, verdict: Verdict, times: usize, now: Instant) -> Option<Turn> {
        (0..times).find_map(|_| {
            let pass = breaker.admit(now).ok()?;
            breaker.note(pass, verdict, now)
        })
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(BreakerPolicy::default(), now);
        assert_eq!(note(&mut breaker, Verdict::Failed, 20, now), Some(Turn::Opened));
        breaker
    }

    #[test]
    fn a_few_failures_say_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerPolicy::default(), now);
        assert_eq!(note(&mut breaker, Verdict::Failed, 19, now), None);
        assert_eq!(note(&mut breaker, Verdict::Answered, 20, now), None);
        assert!(breaker.admit(now).is_ok());
    }

    #[test]
    fn failures_among_many_answers_say_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerPolicy::default(), now);
        for _ in 0..100 {
            assert_eq!(note(&mut breaker, Verdict::Answered, 2, now), None);
            assert_eq!(note(&mut breaker, Verdict::Failed, 1, now), None);
        }
    }

    #[test]
    fn one_probe_at_a_time_closes_it() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now), Err(Duration::from_secs(1)));
        now += Duration::from_secs(1);
        assert_eq!(breaker.admit(now), Ok(Pass::Probe));
        assert!(breaker.admit(now).is_err(), "somebody is probing");
        assert_eq!(breaker.note(Pass::Ordinary, Verdict::Answered, now), None, "an old answer");
        assert_eq!(breaker.note(Pass::Probe, Verdict::Unknown, now), None);
        assert_eq!(breaker.admit(now), Ok(Pass::Probe), "the probe was given up");
        assert_eq!(breaker.note(Pass::Probe, Verdict::Answered, now), Some(Turn::Closed));
        assert_eq!(breaker.admit(now), Ok(Pass::Ordinary));
    }

    #[test]
    fn a_probe_that_never_ends_keeps_the_next_out_only_for_a_while() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for _ in 0..3 {
            now += Duration::from_secs(1);
            assert_eq!(breaker.admit(now), Ok(Pass::Probe));
            assert_eq!(breaker.admit(now + Duration::from_millis(400)), Err(Duration::from_millis(600)));
        }
        assert_eq!(breaker.note(Pass::Probe, Verdict::Answered, now), Some(Turn::Closed));
    }

    #[test]
    fn it_stays_open_longer_while_probes_fail() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for seconds in [1, 2, 4, 8, 10, 10] {
            now += Duration::from_secs(seconds);
            assert_eq!(breaker.admit(now), Ok(Pass::Probe), "{seconds}");
            breaker.note(Pass::Probe, Verdict::Failed, now);
            assert!(breaker.admit(now).is_err());
        }
    }

    proptest! {
        /// Whatever is noted when: it opens only on failures, and never lets two probes through.
        #[test]
        fn it_is_never_stuck(steps in prop::collection::vec((0u64..3_000, 0u8..3), 1..300)) {
            let mut now = Instant::now();
            let mut breaker = Breaker::new(BreakerPolicy::default(), now);
            for (idle, verdict) in steps {
                now += Duration::from_millis(idle);
                let verdict = [Verdict::Answered, Verdict::Failed, Verdict::Unknown][usize::from(verdict)];
                if let Ok(pass) = breaker.admit(now) {
                    prop_assert!(pass == Pass::Ordinary || breaker.admit(now).is_err());
                    let turn = breaker.note(pass, verdict, now);
                    prop_assert!(turn != Some(Turn::Opened) || verdict == Verdict::Failed);
                    prop_assert!(turn != Some(Turn::Closed) || verdict == Verdict::Answered);
                }
            }
            now += BreakerPolicy::default().longest;
            prop_assert!(breaker.admit(now).is_ok());
        }
    }
}
