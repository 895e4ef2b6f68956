//! What a shop may answer, told from all that it was asked before: a pure model of stock, money and the states of orders.
//!
//! Payments, releases and refunds happen by themselves some time after a call, so the model knows bounds rather than
//! numbers, and an answer is a fault if no order of events explains it. Once all is quiet the bounds meet: then every
//! balance and every shelf is known exactly.
//!
//! [`Script`] draws what is done from a seed; it looks at no answer, so that the seed alone tells the whole sequence.

mod action;
mod bounds;
mod ends;
mod orders;
mod parcels;
mod script;
mod shelves;
#[cfg(test)]
mod tests;
mod wallets;

use std::{collections::BTreeMap, fmt, time::Duration};

use proto::order::v1::CancelReason;
use tonic::Code;

pub use action::{Action, By, Pay};
pub use ends::Quiet;
pub use script::Script;

/// Who shops there.
pub const CUSTOMERS: usize = 4;
/// The books on offer: the shop, the price in minor units, and copies to begin with.
pub const OFFERS: [(usize, i64, i64); 6] =
    [(0, 1_000, 12), (0, 2_500, 6), (0, 700, 30), (1, 1_500, 12), (1, 990, 5), (1, 4_000, 20)];
/// The stock rooms of each shop.
pub const ROOMS: [usize; 2] = [1, 2];
/// What each wallet holds to begin with.
pub const WALLET: i64 = 20_000;
/// Each customer's cards: what the simulated gateway calls them, and why it refuses them.
pub const CARDS: [(&str, Option<CancelReason>); 4] = [
    ("tok_visa", None),
    ("tok_declined", Some(CancelReason::PaymentDeclined)),
    ("tok_insufficient_funds", Some(CancelReason::InsufficientFunds)),
    ("tok_timeout_then_success", None),
];

/// An answer that nothing explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub code: Code,
    /// The reason in its `ErrorInfo`.
    pub reason: String,
}

/// The times that a shop was opened with.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a payment may take.
    pub payment: Duration,
    /// How long stock is held for an unpaid order.
    pub reservation: Duration,
}

/// All that is known.
#[derive(Clone, Debug)]
pub struct Model {
    patience: Patience,
    /// By the number of the attempt that made them.
    orders: BTreeMap<usize, Order>,
    /// By the number of the request that made them.
    returns: BTreeMap<usize, Return>,
    prices: Vec<i64>,
    /// Copies that were there to begin with, came in or went missing.
    counted: Vec<i64>,
    /// What was put into each wallet less what was taken out.
    paid_in: Vec<i64>,
}

#[derive(Clone, Debug)]
struct Order {
    id: String,
    customer: usize,
    lines: Vec<Line>,
    pay: Pay,
    placed: Duration,
    stage: Stage,
    /// What staff gave back.
    given: i64,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    offer: usize,
    quantity: i64,
    price: i64,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Placed, and not seen in another state.
    Pending {
        /// The most and the least that its wallet may have held since.
        most: i64,
        least: i64,
    },
    /// CONFIRMED and later: the parcel of each shop.
    Paid(BTreeMap<usize, Parcel>),
    Cancelled {
        reason: CancelReason,
        /// Whether its money and its stock are certainly back.
        is_settled: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Parcel {
    Ready,
    Shipped,
    Delivered,
}

#[derive(Clone, Debug)]
struct Return {
    id: String,
    order: usize,
    /// Offers and copies.
    lines: Vec<(usize, i64)>,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Open,
    Rejected,
    Accepted {
        restock: bool,
        /// Whether its money and its stock are certainly back.
        is_settled: bool,
    },
}

impl Model {
    /// A shop just opened.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            orders: BTreeMap::new(),
            returns: BTreeMap::new(),
            prices: OFFERS.iter().map(|(_, price, _)| *price).collect(),
            counted: OFFERS.iter().map(|(_, _, copies)| *copies).collect(),
            paid_in: vec![WALLET; CUSTOMERS],
        }
    }

    /// The id of the order that an attempt made, if it made one.
    #[must_use]
    pub fn order_id(&self, attempt: usize) -> Option<&str> {
        self.orders.get(&attempt).map(|order| order.id.as_str())
    }

    /// The id of the return that a request made, if it made one.
    #[must_use]
    pub fn return_id(&self, request: usize) -> Option<&str> {
        self.returns.get(&request).map(|returned| returned.id.as_str())
    }

    /// Every order, with the customer it is of.
    pub fn orders(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.orders.iter().map(|(attempt, order)| (*attempt, order.customer, order.id.as_str()))
    }
}

impl Order {
    fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.quantity * line.price).sum()
    }

    /// Copies of an offer.
    fn copies(&self, offer: usize) -> i64 {
        self.lines.iter().filter(|line| line.offer == offer).map(|line| line.quantity).sum()
    }

    /// The shops that have a part in it.
    fn shops(&self) -> impl Iterator<Item = usize> {
        self.lines.iter().map(|line| OFFERS[line.offer].0)
    }

    fn price(&self, offer: usize) -> i64 {
        self.lines.iter().find(|line| line.offer == offer).map_or(0, |line| line.price)
    }
}

fn fault<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault(what.into()))
}

/// That a call was refused with one of these codes.
fn refused_with(what: &str, refusal: &Refusal, codes: &[Code]) -> Result<(), Fault> {
    if codes.contains(&refusal.code) { Ok(()) } else { fault(format!("{what}: {refusal:?}, not {codes:?}")) }
}
