use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use proto::{
    identity::v1::GetUserRequest,
    inventory::v1::{GetBookDetailsRequest, ListBooksRequest, get_book_details_request},
    notification::v1::ListDeliveriesRequest,
    order::v1::{GetOrderHistoryRequest, Order, OrderState, PlaceOrderRequest},
    payment::v1::GetBalanceRequest,
};
use system_tests::{Book, Customer, Load, new_request_id};
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::Shop;

/// Customers who make the calls.
const CUSTOMERS: usize = 10;
/// Orders a second; all other calls read.
const ORDERS: u32 = 20;
/// More than all could buy.
const COPIES: i32 = 1_000_000;
const PRICE: i64 = 100;
const WALLET: i64 = 500_000;
/// How often a patient caller asks.
const TRIES: u32 = 3;
/// Failures that are told, if there are many.
const TOLD: usize = 20;

/// Customers who look around, order, and watch their orders until they have ended.
pub struct Traffic {
    reads: Load,
    orders: Load,
    customers: Arc<Vec<Customer>>,
    placed: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Traffic {
    /// So many calls a second from now on, of which none may fail.
    pub async fn start(shop: &Shop, rate: u32) -> Result<Self> {
        Self::of(shop, rate, 1).await
    }

    /// The same of callers who come back when they are told to, as the shop's command line does.
    pub async fn start_patient(shop: &Shop, rate: u32) -> Result<Self> {
        Self::of(shop, rate, TRIES).await
    }

    async fn of(shop: &Shop, rate: u32, tries: u32) -> Result<Self> {
        let book = Arc::new(shop.seller().await?.add_book(PRICE, COPIES).await?);
        let admin = Arc::new(shop.admin().await?);
        let customers = Arc::new(shop.customers(CUSTOMERS, WALLET).await?);
        let placed: Arc<Mutex<Vec<_>>> = Arc::default();
        let reads = Load::start(rate - ORDERS, {
            let (customers, book) = (customers.clone(), book.clone());
            move |number| {
                let (customers, book, admin) = (customers.clone(), book.clone(), admin.clone());
                async move {
                    let customer = &customers[number % CUSTOMERS];
                    patiently(tries, || read(customer, &admin, &book, number / CUSTOMERS)).await
                }
            }
        });
        let orders = Load::start(ORDERS, {
            let (customers, placed) = (customers.clone(), placed.clone());
            move |number| {
                let (customers, book, placed) = (customers.clone(), book.clone(), placed.clone());
                async move {
                    let buyer = number % CUSTOMERS;
                    let request = customers[buyer].order_of(&new_request_id(), &[(&book, 1)]);
                    let place = || place(&customers[buyer], request.clone());
                    let order_id = patiently(tries, place).await?.order_id;
                    placed.lock().unwrap_or_else(PoisonError::into_inner).push((buyer, order_id.clone()));
                    let last = customers[buyer].watched_to_its_end(&order_id).await?;
                    ensure!(last.state() == OrderState::Confirmed, "{last:?}");
                    Ok(())
                }
            }
        });
        Ok(Self { reads, orders, customers, placed })
    }

    /// Waits until so many calls more have been answered, orders among them.
    pub async fn goes_on(&self, calls: usize) -> Result<()> {
        self.reads.goes_on(calls).await?;
        self.orders.goes_on(calls.div_ceil(20)).await
    }

    /// Ends it: no call has failed, and every order that was answered is there, and CONFIRMED.
    pub async fn end(self) -> Result<Report> {
        let calls = self.reads.answered() + self.orders.answered();
        let mut failures = self.reads.end().await.context("the calls that read")?;
        failures.extend(self.orders.end().await.context("the orders")?);
        let placed = std::mem::take(&mut *self.placed.lock().unwrap_or_else(PoisonError::into_inner));
        stream::iter(&placed)
            .map(async |(buyer, order_id)| {
                let order = self.customers[*buyer].ended(order_id).await?;
                ensure!(order.state() == OrderState::Confirmed, "{order:?}");
                Ok(())
            })
            .buffered(16)
            .try_collect::<Vec<()>>()
            .await?;
        ensure!(
            failures.is_empty(),
            "{} of {calls} calls failed:\n{}",
            failures.len(),
            failures[..failures.len().min(TOLD)].join("\n")
        );
        Ok(Report { calls, orders: placed.len() })
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    calls: usize,
    orders: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, orders } = self;
        write!(formatter, "{calls} calls, none failed; {orders} of them orders, all confirmed")
    }
}

/// Makes a call so often at most, as long as it is told when to come back.
async fn patiently<T, F: Future<Output = Result<T>> + Send>(
    tries: u32,
    call: impl Fn() -> F + Send,
) -> Result<T> {
    for _ in 1..tries {
        match call().await {
            Err(error) if let Some(pause) = come_back(&error) => sleep(pause).await,
            answered => return answered,
        }
    }
    call().await
}

/// When a call that failed may be made again, if its callee says so.
fn come_back(error: &anyhow::Error) -> Option<Duration> {
    let status = error.downcast_ref::<Status>().filter(|status| status.code() == Code::Unavailable)?;
    status.get_details_retry_info()?.retry_delay
}

async fn place(customer: &Customer, request: PlaceOrderRequest) -> Result<Order> {
    Ok(customer.try_place_once(request).await??)
}

/// One call to each service in turn.
async fn read(customer: &Customer, admin: &Customer, book: &Book, turn: usize) -> Result<()> {
    let clients = customer.clients();
    match turn % 6 {
        0 => {
            let book = Some(get_book_details_request::Book::EditionId(book.edition_id.clone()));
            clients.inventory().get_book_details(GetBookDetailsRequest { book }).await.map(drop)?;
        }
        1 => {
            let request = ListBooksRequest { page_size: 10, ..Default::default() };
            clients.inventory().list_books(request).await.map(drop)?;
        }
        2 => {
            let request = customer
                .request(GetUserRequest { user_id: customer.user_id.clone(), ..Default::default() })?;
            clients.identity().get_user(request).await.map(drop)?;
        }
        3 => {
            let request = customer.request(GetOrderHistoryRequest { page_size: 5, ..Default::default() })?;
            clients.order().get_order_history(request).await.map(drop)?;
        }
        4 => {
            let request = customer.request(GetBalanceRequest { currency_code: String::new() })?;
            clients.payment().get_balance(request).await.map(drop)?;
        }
        _ => {
            let request = admin.request(ListDeliveriesRequest { page_size: 5, ..Default::default() })?;
            clients.notification().list_deliveries(request).await.map(drop)?;
        }
    }
    Ok(())
}
