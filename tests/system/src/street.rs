//! A street of the model: customers and shops that act on a real shop, each answer judged by the model.

mod acts;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use proto::{
    inventory::v1::GetStockRequest,
    order::v1::{GetOrderRequest, PlaceOrderRequest},
    payment::v1::{GetBalanceRequest, GetPaymentRequest, Payment, get_payment_request},
};
use testkit::eventually;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    Book, Clients, Customer, Seller, Shop,
    model::{Action, By, CARDS, CUSTOMERS, Fault, Model, OFFERS, Patience, Quiet, ROOMS, Refusal, WALLET},
};

/// How many of the last steps a fault tells.
const TOLD: usize = 25;
/// How far back a rest looks at orders: nobody does anything to older ones.
const RECENT: usize = 60;

/// Customers and shops that have to do with each other, and the model of them.
///
/// What is asked is asked again until there is an answer, so that the shop may be broken meanwhile: the model judges what
/// was said in the end.
#[derive(Debug)]
pub struct Street {
    clients: Clients,
    admin: Customer,
    customers: Vec<Customer>,
    /// Of each customer.
    cards: Vec<Vec<String>>,
    sellers: Vec<Seller>,
    books: Vec<Book>,
    model: Model,
    /// What each attempt to order sent.
    sent: HashMap<usize, PlaceOrderRequest>,
    /// In which all is quiet once nobody does anything.
    quiet: Duration,
    began: Instant,
    past: VecDeque<String>,
}

impl Street {
    /// A new one in a shop that was opened with this patience, in which all is `quiet` so long after everybody's last step.
    pub async fn open(shop: &Shop, patience: Patience, quiet: Duration) -> Result<Self> {
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
            quiet,
            began: Instant::now(),
            past: VecDeque::new(),
        })
    }

    /// Since the street was opened.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The ids of all orders.
    #[must_use]
    pub fn orders(&self) -> Vec<String> {
        self.model.orders().map(|(_, _, id)| id.to_owned()).collect()
    }

    /// Who reads or cancels an order of a customer's.
    fn reader(&self, customer: usize, by: By) -> &Customer {
        match by {
            By::Rightful => &self.customers[customer],
            By::Admin => &self.admin,
            By::Stranger => &self.customers[(customer + 1) % CUSTOMERS],
        }
    }

    /// Who does something for a shop.
    fn worker(&self, shop: usize, by: By) -> &Customer {
        match by {
            By::Rightful => self.sellers[shop].owner(),
            By::Admin => &self.admin,
            By::Stranger => self.sellers[(shop + 1) % ROOMS.len()].owner(),
        }
    }

    /// Does it, and lets the model judge what came of it.
    pub async fn act(&mut self, action: Action) -> Result<()> {
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

    /// Waits until all is quiet and as the model says, looking at so many of the last orders.
    pub async fn rest(&mut self, recent: usize) -> Result<()> {
        let (patience, mut last) = (self.quiet, None);
        let quiet = eventually("all is quiet", patience, async || {
            let quiet = match self.seen(recent).await {
                Ok(quiet) => quiet,
                Err(error) => return Some(Err(error)),
            };
            last = self.model.settle(self.now(), &quiet).err();
            last.is_none().then_some(Ok(()))
        })
        .await;
        match (quiet, last) {
            (Err(_), Some(fault)) => bail!("after {patience:?}: {}", self.told(&fault)),
            (quiet, _) => quiet??,
        }
        self.past.push_back(format!("{:>7.3} s  all is quiet", self.now().as_secs_f64()));
        Ok(())
    }

    async fn seen(&self, recent: usize) -> Result<Quiet> {
        let mut quiet = Quiet::default();
        for customer in 0..CUSTOMERS {
            quiet.balances.push(self.balance(customer).await?);
        }
        for offer in 0..OFFERS.len() {
            quiet.shelves.push(self.shelf(offer).await?);
        }
        let orders: Vec<_> = self.model.orders().collect();
        for (attempt, customer, id) in orders.iter().rev().take(recent) {
            let payment = self.payment(*customer, id).await?;
            let call = async |request| self.clients.order().get_order(request).await;
            let order = self.customers[*customer].ask(GetOrderRequest { order_id: (*id).to_owned() }, call);
            quiet.orders.insert(*attempt, (order.await?.context("GetOrder")?, payment));
        }
        Ok(quiet)
    }

    /// What a customer's wallet holds.
    async fn balance(&self, customer: usize) -> Result<i64> {
        let call = async |request| self.clients.payment().get_balance(request).await;
        let answer = self.customers[customer].ask(GetBalanceRequest::default(), call).await?;
        Ok(answer.context("GetBalance")?.balance.context("no balance")?.minor_units)
    }

    /// Copies of an offer on the shelf, and how many of them are reserved.
    async fn shelf(&self, offer: usize) -> Result<(i64, i64)> {
        let request = GetStockRequest { offer_id: self.books[offer].offer_id.clone() };
        let call = async |request| self.clients.inventory().get_stock(request).await;
        let answer = self.sellers[OFFERS[offer].0].owner().ask(request, call).await?;
        Ok(Seller::counted(&answer.context("GetStock")?))
    }

    /// The payment of an order, if there is one yet.
    async fn payment(&self, customer: usize, order_id: &str) -> Result<Option<Payment>> {
        let payment = Some(get_payment_request::Payment::OrderId(order_id.to_owned()));
        let call = async |request| self.clients.payment().get_payment(request).await;
        match self.customers[customer].ask(GetPaymentRequest { payment }, call).await? {
            Ok(payment) => Ok(Some(payment)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status).context("GetPayment"),
        }
    }
}

/// Why a call was refused, as far as the model cares.
fn refusal(status: &Status) -> Refusal {
    let reason = status.get_details_error_info().map(|info| info.reason);
    Refusal { code: status.code(), reason: reason.unwrap_or_else(|| status.message().to_owned()) }
}
