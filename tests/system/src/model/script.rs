use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    CARDS, CUSTOMERS, OFFERS, ROOMS,
    action::{Action, By, Pay},
};

/// Actions between two rests.
const BETWEEN_RESTS: usize = 80;
/// How many of the last orders and returns are still thought of.
const REMEMBERED: usize = 6;

/// What is done, one action after the other: a pure function of the seed.
#[derive(Debug)]
pub struct Script {
    dice: StdRng,
    told: usize,
    /// Who tried to order what.
    attempts: Vec<(usize, Vec<(usize, i64)>)>,
    /// The shop that each return was asked of.
    requests: Vec<usize>,
}

impl Script {
    /// From the start.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { dice: StdRng::seed_from_u64(seed), told: 0, attempts: Vec::new(), requests: Vec::new() }
    }

    fn below(&mut self, end: usize) -> usize {
        self.dice.random_range(0..end)
    }

    fn amount(&mut self, least: i64, most: i64) -> i64 {
        self.dice.random_range(least..=most)
    }

    fn customer(&mut self) -> usize {
        self.below(CUSTOMERS)
    }

    fn offer(&mut self) -> usize {
        self.below(OFFERS.len())
    }

    /// One of the last.
    fn recent(&mut self, count: usize) -> Option<usize> {
        let back = self.below(REMEMBERED);
        count.checked_sub(1 + back)
    }

    fn attempt(&mut self) -> Option<usize> {
        self.recent(self.attempts.len())
    }

    /// Mostly who may.
    fn by(&mut self) -> By {
        match self.below(12) {
            0 => By::Stranger,
            1 => By::Admin,
            _ => By::Rightful,
        }
    }

    /// An order and one of the shops that have a part in it.
    fn part(&mut self) -> Option<(usize, usize)> {
        let attempt = self.attempt()?;
        let lines = self.attempts[attempt].1.len();
        let line = self.below(lines);
        Some((attempt, OFFERS[self.attempts[attempt].1[line].0].0))
    }

    fn place(&mut self) -> Action {
        let customer = self.customer();
        let mut offers: Vec<usize> = (0..self.amount(1, 3)).map(|_| self.offer()).collect();
        offers.sort_unstable();
        offers.dedup();
        let lines: Vec<_> = offers.into_iter().map(|offer| (offer, self.amount(1, 3))).collect();
        let pay = match self.below(10) {
            0 => Pay::AnothersCard,
            1..=3 => Pay::Card(self.below(CARDS.len())),
            4 => Pay::Card(0),
            _ => Pay::Wallet,
        };
        self.attempts.push((customer, lines.clone()));
        Action::Place { attempt: self.attempts.len() - 1, customer, lines, pay }
    }

    fn rush(&mut self) -> Action {
        let (offer, quantity) = (self.offer(), self.amount(1, 4));
        let attempts = (0..self.amount(3, 6))
            .map(|_| {
                let customer = self.customer();
                self.attempts.push((customer, vec![(offer, quantity)]));
                (self.attempts.len() - 1, customer)
            })
            .collect();
        Action::Rush { attempts, offer, quantity }
    }

    fn ask_back(&mut self) -> Option<Action> {
        let (attempt, shop) = self.part()?;
        let of_it: Vec<_> =
            self.attempts[attempt].1.iter().copied().filter(|(offer, _)| OFFERS[*offer].0 == shop).collect();
        let lines = of_it.into_iter().map(|(offer, copies)| (offer, self.amount(1, copies))).collect();
        self.requests.push(shop);
        Some(Action::AskBack { request: self.requests.len() - 1, attempt, shop, lines })
    }

    fn resolve(&mut self) -> Option<Action> {
        let request = self.recent(self.requests.len())?;
        let (accept, by) = (self.below(4) > 0, self.by());
        let restock = accept && self.below(2) == 0;
        Some(Action::Resolve { request, shop: self.requests[request], accept, restock, by })
    }

    /// Nothing where there is nothing yet that it could be about.
    fn draw(&mut self) -> Option<Action> {
        Some(match self.below(100) {
            0..5 => Action::TopUp {
                customer: self.customer(),
                // The last one makes people wait.
                card: self.below(CARDS.len() - 1),
                amount: self.amount(1, 8_000),
            },
            5..8 => Action::Withdraw { customer: self.customer(), amount: self.amount(1, 12_000) },
            8..11 => Action::Balance { customer: self.customer() },
            11..25 => self.place(),
            25 => self.rush(),
            26..28 => Action::PlaceAgain { attempt: self.attempt()? },
            28..30 => Action::PlaceOtherwise { attempt: self.attempt()? },
            30..35 => Action::Cancel { attempt: self.attempt()?, by: self.by() },
            35..43 => Action::Look { attempt: self.attempt()?, by: self.by() },
            43..59 => {
                let (attempt, shop) = self.part()?;
                Action::Ship { attempt, shop, by: self.by() }
            }
            59..74 => {
                let (attempt, shop) = self.part()?;
                Action::Deliver { attempt, shop, by: self.by() }
            }
            74..81 => self.ask_back()?,
            81..87 => self.resolve()?,
            87..90 => Action::Refund { attempt: self.attempt()?, amount: self.amount(1, 3_000) },
            90..95 => {
                let offer = self.offer();
                let room = self.below(ROOMS[OFFERS[offer].0]);
                // Shelves neither run dry for good nor fill up.
                let delta = if self.below(3) == 0 { -self.amount(1, 6) } else { self.amount(1, 6) };
                Action::Adjust { offer, room, delta }
            }
            95..98 => Action::Count { offer: self.offer() },
            _ => Action::Price { offer: self.offer(), price: self.amount(300, 5_000) },
        })
    }
}

impl Iterator for Script {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        self.told += 1;
        if self.told.is_multiple_of(BETWEEN_RESTS) {
            return Some(Action::Rest);
        }
        loop {
            if let Some(action) = self.draw() {
                return Some(action);
            }
        }
    }
}
