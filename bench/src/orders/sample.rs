use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    database::WorkPerOrder,
    load::{Order, Pace, Placed},
    market::Meter,
    percentiles::{Percentiles, omitted},
};

/// What a load came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) pace: Pace,
    pub(super) order: Order,
    /// Orders that became CONFIRMED within the time.
    pub(super) confirmed: usize,
    pub(super) confirmed_per_second: f64,
    /// Of those answered within the time, as measured.
    pub(super) place: Percentiles,
    /// Corrected for coordinated omission.
    pub(super) place_corrected: Percentiles,
    /// Of those CONFIRMED within the time, as measured.
    pub(super) confirm: Percentiles,
    /// Corrected for coordinated omission.
    pub(super) confirm_corrected: Percentiles,
    /// How much of its time a caller waited because too many orders were open: from 0 to 1.
    pub(super) held_back: f64,
    /// Of each process, in microseconds an order.
    pub(super) cpu: Vec<(String, f64)>,
    /// Resident at the end, in bytes.
    pub(super) memory: Vec<(String, u64)>,
    pub(super) work: WorkPerOrder,
}

/// A load, the time of it that counts, and how its orders ended.
pub(super) struct Window {
    pub(super) before: Meter,
    pub(super) after: Meter,
    pub(super) placed: Vec<Placed>,
    /// When each order was CONFIRMED.
    pub(super) ends: Vec<Instant>,
}

impl Window {
    pub(super) fn sample(self, pace: Pace, order: Order) -> Result<Sample> {
        let length = self.after.at - self.before.at;
        let answered: Vec<&Placed> =
            self.placed.iter().filter(|placed| self.contains(placed.answered)).collect();
        let pairs = || self.placed.iter().zip(&self.ends);
        let confirmed: Vec<(&Placed, Instant)> =
            pairs().filter(|(_, end)| self.contains(**end)).map(|(placed, end)| (placed, *end)).collect();
        ensure!(!confirmed.is_empty() && !answered.is_empty(), "nothing was CONFIRMED in {length:?}");

        #[expect(clippy::cast_precision_loss, reason = "nobody places 2^52 orders")]
        let count = confirmed.len() as f64;
        let cpu =
            self.before.processes.iter().zip(&self.after.processes).map(|((name, before), (_, after))| {
                (name.clone(), after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6 / count)
            });
        let (callers, interval) = match pace {
            Pace::Closed { callers } => {
                let callers = u32::try_from(callers)?;
                (callers, length * callers / u32::try_from(answered.len())?)
            }
            // Latencies count from when each was due: nothing is omitted.
            Pace::Open { .. } => (1, Duration::ZERO),
        };
        let held_back: Duration = answered.iter().map(|placed| placed.held_back).sum();
        let waited = |placed: &Placed| placed.answered - placed.due;
        let corrected = |placed: &Placed, took: Duration| {
            omitted(waited(placed), interval).map(move |earlier| took.saturating_sub(earlier))
        };
        Ok(Sample {
            pace,
            order,
            confirmed: confirmed.len(),
            confirmed_per_second: count / length.as_secs_f64(),
            place: Percentiles::of(answered.iter().map(|placed| waited(placed)))?,
            place_corrected: Percentiles::of(
                answered.iter().flat_map(|placed| corrected(placed, waited(placed))),
            )?,
            confirm: Percentiles::of(confirmed.iter().map(|(placed, end)| *end - placed.due))?,
            confirm_corrected: Percentiles::of(
                confirmed.iter().flat_map(|(placed, end)| corrected(placed, *end - placed.due)),
            )?,
            held_back: held_back.div_duration_f64(length * callers).min(1.0),
            cpu: cpu.collect(),
            memory: self.after.processes.iter().map(|(name, usage)| (name.clone(), usage.memory)).collect(),
            work: self.after.work.since(&self.before.work, count),
        })
    }

    fn contains(&self, moment: Instant) -> bool {
        (self.before.at..self.after.at).contains(&moment)
    }
}
