use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// In microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
}

impl Percentiles {
    pub(super) fn of(durations: impl Iterator<Item = Duration>) -> Result<Self> {
        let mut histogram = Histogram::<u64>::new(3)?;
        for duration in durations {
            histogram.record(u64::try_from(duration.as_micros())?)?;
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        Ok(Self { p50: at(0.5), p99: at(0.99), p999: at(0.999) })
    }
}

/// What a caller that waits for its answers did not measure: the orders that it would have placed, one every `interval`,
/// while it waited `waited` for one. Each would have met the same end of the wait, so much earlier begun (`interval`
/// times 1, 2, …): as `HdrHistogram` corrects for coordinated omission.
pub(super) fn omitted(waited: Duration, interval: Duration) -> impl Iterator<Item = Duration> {
    (0_u32..).map_while(move |number| {
        let earlier = interval * number;
        let counts = number == 0 || (!interval.is_zero() && earlier + interval <= waited);
        counts.then_some(earlier)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn omitted_ms(waited: u64, interval: u64) -> Vec<u64> {
        omitted(Duration::from_millis(waited), Duration::from_millis(interval))
            .map(|late| u64::try_from(late.as_millis()).unwrap_or(u64::MAX))
            .collect()
    }

    #[test]
    fn a_long_wait_stands_for_the_orders_it_kept_from_being_placed() {
        assert_eq!(omitted_ms(5, 10), [0], "itself");
        assert_eq!(omitted_ms(45, 10), [0, 10, 20, 30]);
        assert_eq!(omitted_ms(45, 0), [0]);
    }
}
