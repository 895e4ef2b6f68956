use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use anyhow::{Result, anyhow, bail};
use proto::order::v1::PlaceOrderRequest;
use system_tests::{
    Book, Clients, Customer, Seller, Shop,
    model::{Action, By, CARDS, CUSTOMERS, Fault, Model, OFFERS, Patience, Quiet, ROOMS, Refusal, WALLET},
};
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic_types::StatusExt;

/// In which all is quiet once nobody does anything.
const QUIET: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How many of the last steps a fault tells.
const TOLD: usize = 25;
/// How far back a rest looks at orders: nobody does anything to older ones.
const RECENT: usize = 60;

/// Customers and shops that have to do with each other, and the model of them.
pub(crate) struct Street {
    pub(crate) clients: Clients,
    pub(crate) admin: Customer,
    pub(crate) customers: Vec<Customer>,
    /// Of each customer.
    pub(crate) cards: Vec<Vec<String>>,
    pub(crate) sellers: Vec<Seller>,
    pub(crate) books: Vec<Book>,
    pub(crate) model: Model,
    /// What each attempt to order sent.
    pub(crate) sent: HashMap<usize, PlaceOrderRequest>,
    began: Instant,
    past: VecDeque<String>,
}

impl Street {
    pub(crate) async fn open(shop: &Shop, patience: Patience) -> Result<Self> {
        let mut sellers = Vec::new();
        for rooms in ROOMS {
            let mut seller = shop.seller().await?;
            for _ in 1..rooms {
                seller.add_room().await?;
            }
            sellers.push(seller);
        }
        let mut books = Vec::new();
        for (seller, price, copies) in OFFERS {
            books.push(sellers[seller].add_book(price, i32::try_from(copies)?).await?);
        }
        let customers = shop.customers(CUSTOMERS, 0).await?;
        let mut cards = Vec::new();
        for customer in &customers {
            let mut theirs = Vec::new();
            for (token, _) in CARDS {
                theirs.push(customer.add_card(token).await?.card_id);
            }
            customer.top_up(WALLET).await?;
            cards.push(theirs);
        }
        Ok(Self {
            clients: shop.clients()?,
            admin: shop.admin().await?,
            customers,
            cards,
            sellers,
            books,
            model: Model::new(patience),
            sent: HashMap::new(),
            began: Instant::now(),
            past: VecDeque::new(),
        })
    }

    /// Since the street was opened.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The ids of all orders.
    pub(crate) fn orders(&self) -> Vec<String> {
        self.model.orders().map(|(_, _, id)| id.to_owned()).collect()
    }

    /// Who reads or cancels an order of a customer's.
    pub(crate) fn reader(&self, customer: usize, by: By) -> &Customer {
        match by {
            By::Rightful => &self.customers[customer],
            By::Admin => &self.admin,
            By::Stranger => &self.customers[(customer + 1) % CUSTOMERS],
        }
    }

    /// Who does something for a shop.
    pub(crate) fn worker(&self, shop: usize, by: By) -> &Customer {
        match by {
            By::Rightful => self.sellers[shop].owner(),
            By::Admin => &self.admin,
            By::Stranger => self.sellers[(shop + 1) % ROOMS.len()].owner(),
        }
    }

    /// Does it, and lets the model judge what came of it.
    pub(crate) async fn act(&mut self, action: Action) -> Result<()> {
        let written = format!("{action:?}");
        let judged = match action {
            Action::Rest => return self.rest(RECENT).await,
            action => self.done(action).await?,
        };
        let judgement = match &judged {
            Ok(what) => what.clone(),
            Err(Fault(fault)) => fault.clone(),
        };
        self.past.push_back(format!("{:>7.3} s  {written} -> {judgement}", self.now().as_secs_f64()));
        if self.past.len() > TOLD {
            self.past.pop_front();
        }
        judged.map_err(|fault| self.told(&fault))?;
        Ok(())
    }

    /// A fault, with what led to it.
    fn told(&self, fault: &Fault) -> anyhow::Error {
        let past: Vec<&str> = self.past.iter().map(String::as_str).collect();
        anyhow!("{fault}\n{}", past.join("\n"))
    }

    /// Waits until all is quiet and as the model says.
    pub(crate) async fn rest(&mut self, recent: usize) -> Result<()> {
        let deadline = Instant::now() + QUIET;
        loop {
            let quiet = self.seen(recent).await?;
            match self.model.settle(self.now(), &quiet) {
                Ok(()) => break,
                Err(fault) if Instant::now() >= deadline => {
                    bail!("after {QUIET:?}: {}", self.told(&fault))
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
        self.past.push_back(format!("{:>7.3} s  all is quiet", self.now().as_secs_f64()));
        Ok(())
    }

    async fn seen(&self, recent: usize) -> Result<Quiet> {
        let mut quiet = Quiet::default();
        for customer in &self.customers {
            quiet.balances.push(customer.balance().await?);
        }
        for ((seller, ..), book) in OFFERS.iter().zip(&self.books) {
            quiet.shelves.push(self.sellers[*seller].stock(book).await?);
        }
        let orders: Vec<_> = self.model.orders().collect();
        for (attempt, customer, id) in orders.iter().rev().take(recent) {
            let customer = &self.customers[*customer];
            let payment = customer.payment(id).await?;
            quiet.orders.insert(*attempt, (customer.order(id).await?, payment));
        }
        Ok(quiet)
    }
}

/// Why a call was refused, as far as the model cares.
pub(crate) fn refusal(status: &Status) -> Refusal {
    let reason = status.get_details_error_info().map(|info| info.reason);
    Refusal { code: status.code(), reason: reason.unwrap_or_else(|| status.message().to_owned()) }
}
