use std::{
    error::Error as _,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::index};
use serde::Serialize;
use system_tests::{Book, Customer};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval_at},
};
use uuid::Uuid;

/// Who places orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Pace {
    /// So many callers, each placing one after the other, as long as few enough orders are open.
    Closed { callers: usize },
    /// So many a second, come what may.
    Open { rate: u32 },
}

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// How long its caller had waited because too many orders were open.
    pub(super) held_back: Duration,
}

/// Orders that may still be opened: each that is placed takes a permit, its end gives it back.
pub(super) type Gate = Arc<Semaphore>;

/// Orders being placed until they are told to stop.
pub(super) struct Load {
    over: Arc<AtomicBool>,
    gate: Gate,
    placing: JoinHandle<Result<Vec<Placed>>>,
}

/// Who buys what.
#[derive(Clone)]
pub(super) struct Demand {
    pub(super) order: Order,
    pub(super) customers: Arc<Vec<Customer>>,
    pub(super) books: Arc<Vec<Book>>,
}

impl fmt::Display for Pace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { callers: 1 } => write!(formatter, "1 caller"),
            Self::Closed { callers } => write!(formatter, "{callers} callers"),
            Self::Open { rate } => write!(formatter, "{rate}/s"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = if self.lines == 1 { "1 line" } else { &format!("{} lines", self.lines) };
        let book = if self.hot { ", one hot" } else { "" };
        write!(formatter, "{lines}{book}")
    }
}

impl Load {
    /// Starts to place orders. Any answer but OK ends the load with an error.
    pub(super) fn start(pace: Pace, demand: Demand, gate: Gate) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let placing = match pace {
            Pace::Closed { callers } => tokio::spawn(closed(callers, demand, over.clone(), gate.clone())),
            Pace::Open { rate } => tokio::spawn(open(rate, demand, over.clone())),
        };
        Self { over, gate, placing }
    }

    /// Goes on for so long, or until it fails.
    pub(super) async fn lasts(&mut self, length: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(length) => Ok(()),
            ended = &mut self.placing => {
                ended??;
                bail!("the load ended by itself")
            }
        }
    }

    /// Places no more; tells of all that were answered.
    pub(super) async fn end(self) -> Result<Vec<Placed>> {
        self.over.store(true, Ordering::Relaxed);
        // Whoever still waits for its turn has none.
        self.gate.close();
        self.placing.await?
    }
}

async fn closed(callers: usize, demand: Demand, over: Arc<AtomicBool>, gate: Gate) -> Result<Vec<Placed>> {
    let mut placing = JoinSet::new();
    for caller in 0..callers {
        let (demand, over, gate) = (demand.clone(), over.clone(), gate.clone());
        placing.spawn(async move {
            let customer = &demand.customers[caller % demand.customers.len()];
            let (mut placed, mut dice) = (Vec::new(), StdRng::seed_from_u64(caller as u64));
            while !over.load(Ordering::Relaxed) {
                let ready = Instant::now();
                let Ok(permit) = gate.acquire().await else { break };
                // Given back by the order's end.
                permit.forget();
                let due = Instant::now();
                let mut one = place_one(customer, &demand, &mut dice, due).await?;
                one.held_back = due - ready;
                placed.push(one);
            }
            anyhow::Ok(placed)
        });
    }
    let mut all = Vec::new();
    while let Some(placed) = placing.join_next().await {
        all.extend(placed??);
    }
    Ok(all)
}

async fn open(rate: u32, demand: Demand, over: Arc<AtomicBool>) -> Result<Vec<Placed>> {
    let every = Duration::from_secs(1) / rate;
    let mut ticks = interval_at(Instant::now(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut placing = JoinSet::new();
    for number in 0_usize.. {
        // When it was due, whenever we came to it: who falls behind measures that too (coordinated omission).
        let due = ticks.tick().await;
        if over.load(Ordering::Relaxed) {
            break;
        }
        let demand = demand.clone();
        placing.spawn(async move {
            let customer = &demand.customers[number % demand.customers.len()];
            place_one(customer, &demand, &mut StdRng::seed_from_u64(number as u64), due).await
        });
    }
    let mut all = Vec::new();
    while let Some(placed) = placing.join_next().await {
        all.push(placed??);
    }
    Ok(all)
}

async fn place_one(customer: &Customer, demand: &Demand, dice: &mut StdRng, due: Instant) -> Result<Placed> {
    let Demand { order, books, .. } = demand;
    // The first book is the hot one.
    let others = index::sample(dice, books.len() - 1, order.lines).into_iter().map(|at| at + 1);
    let mut chosen: Vec<usize> = others.collect();
    if order.hot {
        let which = dice.random_range(0..chosen.len());
        chosen[which] = 0;
    }
    let chosen: Vec<(&Book, i32)> = chosen.into_iter().map(|at| (&books[at], 1)).collect();
    let request = customer.order_of(&Uuid::now_v7().to_string(), &chosen);
    let mut answer = customer.try_place_once(request.clone()).await?;
    // Every few minutes the gateway asks for a new connection, and tonic's channel does not send again what met that.
    if answer.as_ref().is_err_and(|status| status.source().is_some()) {
        answer = customer.try_place_once(request).await?;
    }
    let answer = answer.context("PlaceOrder")?;
    Ok(Placed { order_id: answer.order_id, due, answered: Instant::now(), held_back: Duration::ZERO })
}
