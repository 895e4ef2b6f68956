use std::{collections::BTreeSet, fmt, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::fault::{Act, Fault, Lost, Target};
use crate::{Replica, Service, crash_points};

/// Customers and shops that the model watches, in so many streets.
const STREETS: usize = 2;
/// People who come from outside while the shop is broken.
const VISITORS: usize = 8;
/// Faults of a round, at most.
const FAULTS: usize = 3;
const REPLICAS: usize = 2;
/// Armed at once: not all are on the way of this traffic.
const POINTS: usize = 8;

/// What happens in a round, a pure function of a seed and the round's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How long everybody acts.
    pub(super) trading: Duration,
    /// The script of each street.
    pub(super) streets: Vec<u64>,
    /// The doings of each visitor.
    pub(super) visitors: Vec<u64>,
    /// In the order in which they begin.
    pub(super) faults: Vec<Fault>,
}

impl Plan {
    pub(super) fn of(seed: u64, round: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&round.to_le_bytes());
        let mut dice = StdRng::from_seed(bytes);
        let trading = millis(&mut dice, 8_000, 12_000);
        let streets = (0..STREETS).map(|_| dice.random()).collect();
        let visitors = (0..VISITORS).map(|_| dice.random()).collect();
        let wanted = dice.random_range(1..=FAULTS);
        let mut hit = BTreeSet::<Target>::new();
        let mut faults = Vec::new();
        while faults.len() < wanted {
            let act = act(&mut dice);
            let after = millis(&mut dice, 500, 5_000);
            let lasting = match &act {
                // It takes a while until traffic comes past the point in a process that has just begun.
                Act::Crash { .. } => millis(&mut dice, 4_000, 7_000),
                _ => millis(&mut dice, 300, 5_000),
            };
            // Two at once on the same thing would undo each other.
            if act.targets().iter().any(|target| hit.contains(target)) {
                continue;
            }
            hit.extend(act.targets());
            faults.push(Fault { after, lasting, act });
        }
        faults.sort_by_key(|fault| fault.after);
        Self { trading, streets, visitors, faults }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(formatter, "{comma}{fault}")?;
        }
        Ok(())
    }
}

fn millis(dice: &mut StdRng, least: u64, most: u64) -> Duration {
    Duration::from_millis(dice.random_range(least..=most))
}

fn service(dice: &mut StdRng, among: &[Service]) -> Service {
    // Never empty.
    among.choose(dice).copied().unwrap_or(Service::Order)
}

/// One of a service's replicas, or all of them.
fn replicas(dice: &mut StdRng) -> Vec<Replica> {
    let service = service(dice, &Service::ALL);
    match dice.random_range(0..4) {
        0 => (0..REPLICAS).map(|number| service.replica(number)).collect(),
        _ => vec![service.replica(dice.random_range(0..REPLICAS))],
    }
}

/// Some of the crash points of a service, each with a pass.
fn points(dice: &mut StdRng, service: Service) -> Vec<String> {
    let mut points = crash_points::of(service);
    points.retain(|point| !crash_points::is_of_a_first_start(point));
    let drawn = points.choose_multiple(dice, POINTS);
    drawn.map(|point| format!("{point}:{}", dice.random_range(1..=3))).collect()
}

fn act(dice: &mut StdRng) -> Act {
    let database = service(dice, &Service::WITH_DATABASE);
    match dice.random_range(0..100) {
        0..16 => Act::Kill(replicas(dice)),
        16..30 => Act::Pause(replicas(dice)),
        30..48 => {
            let service = service(dice, &Service::ALL);
            let replica = service.replica(dice.random_range(0..REPLICAS));
            Act::Crash { replica, points: points(dice, service) }
        }
        48..54 => {
            let service = service(dice, &Service::ALL);
            Act::Restart((0..REPLICAS).map(|number| service.replica(number)).collect())
        }
        54..58 => Act::KillBroker,
        58..62 => Act::PauseBroker,
        62..66 => Act::LoseTail(Lost::Both),
        66..70 => Act::LoseTail(Lost::Messages),
        70..73 => Act::LoseTail(Lost::Consumers),
        73..77 => Act::WipeBroker,
        77..81 => Act::CloseDatabase(database),
        81..85 => Act::StallDatabase(database),
        85..88 => Act::SlowDatabase(database),
        88..92 => Act::ForgetDatabase(database),
        92..96 => Act::SeverDatabase(database),
        _ => Act::SplitRelay(database.replica(dice.random_range(0..REPLICAS))),
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn a_round_is_a_function_of_its_seed_and_number() {
        assert_eq!(Plan::of(7, 3), Plan::of(7, 3));
        assert_ne!(Plan::of(7, 3), Plan::of(7, 4));
        assert_ne!(Plan::of(7, 3), Plan::of(8, 3));
    }

    #[test]
    fn no_two_faults_of_a_round_hit_the_same_thing() {
        for round in 0..1_000 {
            let mut hit = Vec::new();
            for fault in Plan::of(1, round).faults {
                for target in fault.act.targets() {
                    assert!(!hit.contains(&target), "round {round}: {target:?} twice");
                    hit.push(target);
                }
            }
        }
    }

    #[test]
    fn every_kind_of_fault_comes_up() {
        let mut kinds: Vec<&str> =
            (0..1_000).flat_map(|round| Plan::of(1, round).faults).map(|fault| fault.act.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds, super::super::fault::KINDS);
    }
}
