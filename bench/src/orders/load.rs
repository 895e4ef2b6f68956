use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use hdrhistogram::Histogram;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::index};
use serde::Serialize;
use system_tests::{Book, Customer};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};
use uuid::Uuid;

/// Who places orders.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Pace {
    /// So many callers, each placing one after the other.
    Closed { callers: usize },
    /// So many a second, come what may.
    Open { rate: u32 },
}

/// What is ordered.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Order {
    pub(super) lines: usize,
    /// One of the lines is the same book for everybody.
    pub(super) hot: bool,
}

/// An order that was answered.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) order_id: String,
    /// When it was sent, or, at an open pace, when it should have been.
    pub(super) due: Instant,
    pub(super) answered: Instant,
}

/// What a load came to. Times in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    pub(super) pace: Pace,
    pub(super) order: Order,
    pub(super) confirmed_per_second: f64,
    pub(super) place: Percentiles,
    pub(super) confirm: Percentiles,
    /// Of each process, in microseconds an order.
    pub(super) cpu: Vec<(String, f64)>,
    /// Resident at the end, in bytes.
    pub(super) memory: Vec<(String, u64)>,
    pub(super) statements_per_order: Option<f64>,
    pub(super) transactions_per_order: f64,
}

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

impl fmt::Display for Pace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { callers } => write!(formatter, "{callers} callers"),
            Self::Open { rate } => write!(formatter, "{rate}/s"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = if self.hot { ", one hot" } else { "" };
        write!(formatter, "{} lines{book}", self.lines)
    }
}

/// Places orders for so long and tells of each that was answered with OK; any other answer ends it.
pub(super) async fn place(
    pace: Pace,
    order: Order,
    length: Duration,
    customers: &Arc<Vec<Customer>>,
    books: &Arc<Vec<Book>>,
) -> Result<Vec<Placed>> {
    match pace {
        Pace::Closed { callers } => closed(callers, order, length, customers, books).await,
        Pace::Open { rate } => open(rate, order, length, customers, books).await,
    }
}

async fn closed(
    callers: usize,
    order: Order,
    length: Duration,
    customers: &Arc<Vec<Customer>>,
    books: &Arc<Vec<Book>>,
) -> Result<Vec<Placed>> {
    let over = Arc::new(AtomicBool::new(false));
    let mut placing = JoinSet::new();
    for caller in 0..callers {
        let (customers, books, over) = (customers.clone(), books.clone(), over.clone());
        placing.spawn(async move {
            let customer = &customers[caller % customers.len()];
            let (mut placed, mut dice) = (Vec::new(), StdRng::seed_from_u64(caller as u64));
            while !over.load(Ordering::Relaxed) {
                placed.push(place_one(customer, &books, order, &mut dice, Instant::now()).await?);
            }
            anyhow::Ok(placed)
        });
    }
    tokio::time::sleep(length).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    while let Some(placed) = placing.join_next().await {
        all.extend(placed??);
    }
    Ok(all)
}

async fn open(
    rate: u32,
    order: Order,
    length: Duration,
    customers: &Arc<Vec<Customer>>,
    books: &Arc<Vec<Book>>,
) -> Result<Vec<Placed>> {
    let (start, every) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut ticks = interval_at(start, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut placing = JoinSet::new();
    for number in 0_usize.. {
        // When it was due, whenever we came to it: who falls behind measures that too (coordinated omission).
        let due = ticks.tick().await;
        if due >= start + length {
            break;
        }
        let (customers, books) = (customers.clone(), books.clone());
        placing.spawn(async move {
            let mut dice = StdRng::seed_from_u64(number as u64);
            place_one(&customers[number % customers.len()], &books, order, &mut dice, due).await
        });
    }
    let mut all = Vec::new();
    while let Some(placed) = placing.join_next().await {
        all.push(placed??);
    }
    Ok(all)
}

async fn place_one(
    customer: &Customer,
    books: &[Book],
    order: Order,
    dice: &mut StdRng,
    due: Instant,
) -> Result<Placed> {
    // The first book is the hot one.
    let others = index::sample(dice, books.len() - 1, order.lines).into_iter().map(|at| at + 1);
    let mut chosen: Vec<usize> = others.collect();
    if order.hot {
        let which = dice.random_range(0..chosen.len());
        chosen[which] = 0;
    }
    let chosen: Vec<(&Book, i32)> = chosen.into_iter().map(|at| (&books[at], 1)).collect();
    let request = customer.order_of(&Uuid::now_v7().to_string(), &chosen);
    let answer = customer.try_place(request).await??;
    Ok(Placed { order_id: answer.order_id, due, answered: Instant::now() })
}
