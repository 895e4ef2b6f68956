//! Everything at once: two replicas of every service, random customers and staff, random faults, round after round; after
//! each round all must be as it must be.
//!
//! What is done and what goes wrong, and when, is a pure function of a seed and the number of the round. What the machine
//! adds is not: how far everybody comes in a round's time, and how their steps fall between each other's and the faults.

mod deeds;
mod fault;
mod inflict;
mod person;
mod plan;
mod round;
mod visitor;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::time::Instant;

use crate::{Options, Shop, logs::Panics, model::Patience};
use inflict::Struck;
use plan::Plan;

/// Stock that is held for an unpaid order comes free, and payments run out, within a fault's time.
const PATIENCE: Patience = Patience { payment: Duration::from_secs(10), reservation: Duration::from_secs(2) };

/// Certificates last half an hour, and are replaced after so many rounds: every few minutes.
const RENEWED: u64 = 10;

/// Which rounds there are.
#[derive(Clone, Copy, Debug)]
pub enum Rounds {
    /// From the first on, as many as begin in this time.
    For(Duration),
    /// This one alone.
    Only(u64),
}

/// What was done and seen.
#[derive(Debug, Default)]
pub struct Summary {
    rounds: usize,
    faults: BTreeMap<&'static str, usize>,
    points: BTreeSet<String>,
    missed: usize,
    orders: usize,
    slowest: Duration,
    calls: u64,
    answers: String,
}

/// Opens a shop and tortures it; `say` is told a line for each round.
///
/// # Errors
/// What was not as it must be, with the round's plan and how to have just that round again.
pub async fn torture(seed: u64, rounds: Rounds, say: impl Fn(&str)) -> Result<Summary> {
    let began = Instant::now();
    let options = Options {
        replicas: 2,
        gates: true,
        payment_deadline: PATIENCE.payment,
        reservation_ttl: PATIENCE.reservation,
        variables: vec![
            ("BOOKSTORE_CARD_PATIENCE", "300ms".to_owned()),
            // What a dead consumer held comes again so soon, and to somebody else while a paused one holds it.
            ("BOOKSTORE_FAULT_ACK_WAIT", "5".to_owned()),
            ("BOOKSTORE_ENDPOINT_PROPAGATION", "1s".to_owned()),
        ],
        ..Default::default()
    };
    let shop = Shop::start_with(options).await?;
    let (mut summary, mut orders, mut panics) = (Summary::default(), Vec::new(), Panics::default());
    let (first, ends) = match rounds {
        Rounds::For(time) => (0, Some(began + time)),
        Rounds::Only(round) => (round, None),
    };
    for number in first.. {
        if number > first && number.is_multiple_of(RENEWED) {
            let authority = testkit::certificates()?;
            shop.renew_certificates(authority, &[authority])?;
        }
        let plan = Plan::of(seed, number);
        let told = shop.answers().calls();
        let outcome = match round::run(&shop, &plan, &orders).await {
            Ok(outcome) => panics.look(&shop).map(|()| outcome),
            Err(error) => Err(error),
        };
        let outcome = outcome.with_context(|| {
            format!(
                "round {number} of seed {seed} ({plan}); logs in {}; again: cargo xtask torture --seed {seed} --round \
                 {number}",
                shop.keep_logs().display()
            )
        })?;
        let calls = shop.answers().calls() - told;
        say(&format!("round {number}: {plan}; {outcome}, {calls} calls"));
        summary.add(&outcome);
        orders.extend(outcome.orders);
        if ends.is_none_or(|ends| Instant::now() >= ends) {
            break;
        }
    }
    summary.calls = shop.answers().calls();
    summary.answers = shop.answers().to_string();
    Ok(summary)
}

impl Summary {
    fn add(&mut self, outcome: &round::Outcome) {
        self.rounds += 1;
        for (kind, struck) in &outcome.struck {
            match struck {
                Struck::Missed => {
                    self.missed += 1;
                    continue;
                }
                Struck::At(point) => {
                    self.points.insert(point.clone());
                }
                Struck::Yes => {}
            }
            *self.faults.entry(kind).or_default() += 1;
        }
        self.orders += outcome.orders.len();
        self.slowest = self.slowest.max(outcome.calm);
    }

    /// How many orders were placed.
    #[must_use]
    pub const fn orders(&self) -> usize {
        self.orders
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(
            formatter,
            "{} rounds, {} orders, no violation; calm after at most {:.1} s",
            self.rounds,
            self.orders,
            self.slowest.as_secs_f64()
        )?;
        writeln!(
            formatter,
            "{} faults: {}; {} different crash points, {} armed in vain",
            self.faults.values().sum::<usize>(),
            faults.join(", "),
            self.points.len(),
            self.missed
        )?;
        write!(formatter, "{} calls: {}", self.calls, self.answers)
    }
}
