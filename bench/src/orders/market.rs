use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use system_tests::{Book, Customer, Options, Service, Shop};
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};

use super::{
    confirmed::Confirmed,
    database::{Ledger, Work},
    load::{Demand, Gate, Load, Order, Pace},
    sample::{Sample, Window},
    usage::{self, Usage},
};
use crate::cpu;

/// In each wallet, in minor units: the most that it may hold is far above what is spent.
const MONEY: i64 = 1_000_000;
const PRICE: i64 = 1;
const COPIES: i32 = 1_000_000;
/// Tokens are good for 15 minutes.
const SIGN_IN_EVERY: Duration = Duration::from_mins(5);

/// How a shop is to be that is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) books: usize,
    pub(super) customers: usize,
    /// As many orders may be open at a closed pace.
    pub(super) open: usize,
    pub(super) postgres_pid: u32,
}

/// A shop with books and customers.
pub(super) struct Market {
    /// The folder that its services' programs come from.
    pub(super) programs: PathBuf,
    /// Before anybody used it.
    pub(super) idle: Vec<(String, Usage)>,
    plan: Plan,
    pub(super) shop: Shop,
    customers: Mutex<(Instant, Arc<Vec<Customer>>)>,
    books: Arc<Vec<Book>>,
    confirmed: Confirmed,
    ledger: Mutex<Ledger>,
    placed: Mutex<Vec<String>>,
}

/// What everything has used up to a moment.
pub(super) struct Meter {
    pub(super) at: Instant,
    pub(super) processes: Vec<(String, Usage)>,
    pub(super) work: Work,
}

impl Market {
    pub(super) async fn open(programs: &Path, plan: &Plan) -> Result<Self> {
        let options = Options {
            programs: Some(programs.to_owned()),
            // As when nobody says otherwise; tests have less time.
            variables: vec![("BOOKSTORE_SWEEP_INTERVAL", "1s".to_owned())],
            ..Options::default()
        };
        let shop = Shop::start_with(options).await?;
        let ledger = Mutex::new(Ledger::open(&shop).await?);
        let idle = processes(&shop, plan.postgres_pid).await?;
        let seller = shop.seller().await?;
        let offered = stream::iter(0..plan.books).map(|_| seller.add_book(PRICE, COPIES));
        let books: Vec<Book> = offered.buffer_unordered(32).try_collect().await?;
        let customers = shop.customers(plan.customers, MONEY).await?;
        let confirmed = Confirmed::listen(&shop.broker.client().await?).await?;
        let (customers, books) = (Mutex::new((Instant::now(), Arc::new(customers))), Arc::new(books));
        let (programs, plan, placed) = (programs.to_owned(), plan.clone(), Mutex::default());
        let market = Self { programs, idle, plan, shop, customers, books, confirmed, ledger, placed };
        market.grow_up().await?;
        Ok(market)
    }

    /// Has its first orders, and its tables looked at: a plan made while a table was empty is kept for long, here until
    /// the first minute's autovacuum.
    async fn grow_up(&self) -> Result<()> {
        let order = Order { lines: 2, hot: false };
        self.measure(Pace::Closed { callers: 32 }, order, Duration::from_secs(2)).await?;
        for service in Service::WITH_DATABASE {
            self.shop.database(service)?.execute("VACUUM ANALYZE").await?;
        }
        Ok(())
    }

    /// Lets orders be placed; after a fifth of the time to warm up, measures for so long.
    pub(super) async fn measure(&self, pace: Pace, order: Order, length: Duration) -> Result<Sample> {
        let customers = self.signed_in().await?;
        self.ledger.lock().await.settle().await?;
        let gate: Gate = Arc::new(Semaphore::new(self.plan.open));
        self.confirmed.opens(gate.clone());
        let demand = Demand { order, customers, books: self.books.clone() };
        let mut load = Load::start(pace, demand, gate);

        load.lasts(length / 5).await?;
        let before = self.meter().await?;
        load.lasts(length).await?;
        let after = self.meter().await?;
        let placed = load.end().await?;

        let orders: Vec<String> = placed.iter().map(|placed| placed.order_id.clone()).collect();
        let ends = self.confirmed.take(&orders).await?;
        self.placed.lock().await.extend(orders);
        Window { before, after, placed, ends }.sample(pace, order)
    }

    /// Whether all that was placed has ended as it must.
    pub(super) async fn check(&self) -> Result<usize> {
        let placed = self.placed.lock().await;
        eprintln!("holding {} orders against stock and money", placed.len());
        self.shop.check(&placed).await?;
        Ok(placed.len())
    }

    /// How many orders were placed so far.
    pub(super) async fn count(&self) -> usize {
        self.placed.lock().await.len()
    }

    /// What each process has resident now.
    pub(super) async fn processes(&self) -> Result<Vec<(String, Usage)>> {
        processes(&self.shop, self.plan.postgres_pid).await
    }

    async fn signed_in(&self) -> Result<Arc<Vec<Customer>>> {
        let mut known = self.customers.lock().await;
        if known.0.elapsed() > SIGN_IN_EVERY {
            // No more at once than identity checks passwords.
            let again = stream::iter(known.1.iter()).map(Customer::signed_in_again).buffered(2);
            *known = (Instant::now(), Arc::new(again.try_collect().await?));
        }
        Ok(known.1.clone())
    }

    async fn meter(&self) -> Result<Meter> {
        let at = Instant::now();
        let processes = self.processes().await?;
        let work = self.ledger.lock().await.work().await?;
        Ok(Meter { at, processes, work })
    }
}

async fn processes(shop: &Shop, postgres_pid: u32) -> Result<Vec<(String, Usage)>> {
    let mut processes = Vec::new();
    for (replica, pid) in shop.pids().await? {
        processes.push((replica.service.name().to_owned(), usage::of(pid).context("a service is gone")?));
    }
    processes.push(("nats".to_owned(), usage::of(shop.broker.pid())?));
    processes.push(("postgres".to_owned(), usage::of_tree(postgres_pid)?));
    ensure!(processes.iter().all(|(_, usage)| usage.memory > 0), "a process is gone");
    let own = Usage { cpu: cpu::used(), ..usage::of(std::process::id())? };
    processes.push(("generator".to_owned(), own));
    Ok(processes)
}
