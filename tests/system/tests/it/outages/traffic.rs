//! Customers who go on asking, whatever happens to the shop, and what they hear.

use std::{
    collections::BTreeSet,
    error::Error as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use proto::{
    identity::v1::GetUserRequest,
    inventory::v1::{GetBookDetailsRequest, get_book_details_request},
    order::v1::{GetOrderStatusRequest, OrderState},
    payment::v1::GetBalanceRequest,
};
use system_tests::{Book, Clients, Customer, Load, Service, Shop, new_request_id};
use tokio::time::Instant;
use tonic::{Code, Request, Status};

/// How long a customer waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
const CUSTOMERS: usize = 8;

/// What customers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Place,
    Book,
    Status,
    Balance,
    User,
}

impl Ask {
    pub(super) const ALL: [Self; 5] = [Self::Place, Self::Book, Self::Status, Self::Balance, Self::User];

    /// Calls a second.
    const fn rate(self) -> u32 {
        match self {
            Self::Place => 6,
            _ => 5,
        }
    }

    /// The services without which there is no answer, and how many calls of each it takes, all that follows included.
    const fn takes(self) -> &'static [(Service, u32)] {
        match self {
            // Address and name, and whom to write to; the stock, twice.
            Self::Place => &[(Service::Identity, 3), (Service::Inventory, 2), (Service::Order, 1)],
            Self::Book => &[(Service::Inventory, 1)],
            Self::Status => &[(Service::Order, 1)],
            Self::Balance => &[(Service::Payment, 1)],
            Self::User => &[(Service::Identity, 1)],
        }
    }

    /// Whether there is no answer without a service.
    pub(super) fn needs(self, service: Service) -> bool {
        self.takes_of(service) > 0
    }

    /// How many calls of a service it takes.
    pub(super) fn takes_of(self, service: Service) -> u32 {
        self.takes().iter().find(|(taken, _)| *taken == service).map_or(0, |(_, calls)| *calls)
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) ask: Ask,
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) refusal: Option<Status>,
}

impl Heard {
    pub(super) fn ended(&self) -> Instant {
        self.began + self.took
    }

    /// The customer's own connection was just closing, as old ones do, and did not take the call: nobody was asked.
    fn never_left(&self) -> bool {
        let is_ours = |status: &Status| status.code() == Code::Cancelled && status.source().is_some();
        self.took < PATIENCE && self.refusal.as_ref().is_some_and(is_ours)
    }

    /// The customer's own timer says CANCELLED.
    pub(super) fn code(&self) -> Code {
        match self.refusal.as_ref().map(Status::code) {
            None => Code::Ok,
            Some(Code::Cancelled) if self.took >= PATIENCE => Code::DeadlineExceeded,
            Some(code) => code,
        }
    }
}

/// All that customers ask, and heard.
pub(super) struct Traffic {
    loads: Vec<Load>,
    market: Arc<Market>,
}

/// Who asks for what, and what was said.
struct Market {
    clients: Clients,
    customers: Vec<Customer>,
    book: Book,
    /// An order to ask after.
    order_id: String,
    heard: Mutex<Vec<Heard>>,
    /// Who has no answer yet, and since when.
    waiting: Mutex<BTreeSet<(Instant, Ask, usize)>>,
    /// The buyer and the order.
    placed: Mutex<Vec<(usize, String)>>,
}

impl Traffic {
    pub(super) async fn start(shop: &Shop) -> Result<Self> {
        let book = shop.seller().await?.add_book(100, 1_000_000).await?;
        let customers = shop.customers(CUSTOMERS, 1_000_000).await?;
        let order_id = customers[0].place(&book, 1).await?.order_id;
        let market = Arc::new(Market {
            clients: shop.clients()?,
            customers,
            book,
            order_id: order_id.clone(),
            heard: Mutex::default(),
            waiting: Mutex::default(),
            placed: Mutex::new(vec![(0, order_id)]),
        });
        let loads = Ask::ALL.map(|ask| {
            let market = market.clone();
            Load::start(ask.rate(), move |number| market.clone().ask(ask, number))
        });
        Ok(Self { loads: loads.into(), market })
    }

    /// What was heard from a moment on, whenever it was asked.
    pub(super) fn heard_since(&self, moment: Instant) -> Vec<Heard> {
        lock(&self.market.heard).iter().filter(|heard| heard.ended() >= moment).cloned().collect()
    }

    /// How long whoever has waited longest is now without an answer.
    pub(super) fn longest_wait(&self) -> Duration {
        lock(&self.market.waiting).first().map_or(Duration::ZERO, |(began, ..)| began.elapsed())
    }

    /// Ends it, and waits until every order that the shop has taken is confirmed.
    pub(super) async fn end(self) -> Result<Vec<String>> {
        for load in self.loads {
            load.end().await?;
        }
        let placed = std::mem::take(&mut *lock(&self.market.placed));
        stream::iter(&placed)
            .map(async |(buyer, order_id)| {
                let order = self.market.customers[*buyer].ended(order_id).await?;
                ensure!(order.state() == OrderState::Confirmed, "{order:?}");
                Ok(())
            })
            .buffered(16)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(placed.into_iter().map(|(_, order_id)| order_id).collect())
    }
}

impl Market {
    async fn ask(self: Arc<Self>, ask: Ask, number: usize) -> Result<()> {
        let buyer = number % self.customers.len();
        let customer = &self.customers[buyer];
        let began = Instant::now();
        lock(&self.waiting).insert((began, ask, number));
        let outcome = match ask {
            Ask::Place => {
                let request = customer.order_of(&new_request_id(), &[(&self.book, 1)]);
                let answer = self.clients.order().place_order(patient(customer.request(request)?)).await;
                answer.map(|order| lock(&self.placed).push((buyer, order.into_inner().order_id)))
            }
            Ask::Book => {
                let book = Some(get_book_details_request::Book::EditionId(self.book.edition_id.clone()));
                let request = patient(Request::new(GetBookDetailsRequest { book }));
                self.clients.inventory().get_book_details(request).await.map(drop)
            }
            Ask::Status => {
                let request = GetOrderStatusRequest { order_id: self.order_id.clone() };
                let request = patient(self.customers[0].request(request)?);
                self.clients.order().get_order_status(request).await.map(drop)
            }
            Ask::Balance => {
                let request = customer.request(GetBalanceRequest { currency_code: String::new() })?;
                self.clients.payment().get_balance(patient(request)).await.map(drop)
            }
            Ask::User => {
                let request = patient(customer.request(GetUserRequest::default())?);
                self.clients.identity().get_user(request).await.map(drop)
            }
        };
        let heard = Heard { ask, began, took: began.elapsed(), refusal: outcome.err() };
        if !heard.never_left() {
            lock(&self.heard).push(heard);
        }
        lock(&self.waiting).remove(&(began, ask, number));
        Ok(())
    }
}

fn patient<T>(mut request: Request<T>) -> Request<T> {
    request.set_timeout(PATIENCE);
    request
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
