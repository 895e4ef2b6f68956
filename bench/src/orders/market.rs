use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::{Connection as _, PgConnection};
use system_tests::{Book, Customer, Options, Service, Shop};
use tokio::{sync::Mutex, time::Instant};

use super::{
    confirmed::Confirmed,
    load::{self, Order, Pace, Percentiles, Placed, Sample},
    usage::{self, Usage},
};

/// In each wallet, in minor units: the most that it may hold is far above what is spent.
const MONEY: i64 = 1_000_000;
const PRICE: i64 = 1;
const COPIES: i32 = 1_000_000;

/// A shop with books and customers.
pub(super) struct Market {
    shop: Shop,
    customers: Arc<Vec<Customer>>,
    books: Arc<Vec<Book>>,
    confirmed: Confirmed,
    postgres_pid: u32,
    placed: Mutex<Vec<String>>,
}

/// What everything has used up to a moment.
struct Meter {
    at: Instant,
    processes: Vec<(String, Usage)>,
    statements: Option<i64>,
    transactions: i64,
}

impl Market {
    pub(super) async fn open(books: usize, customers: usize, postgres_pid: u32) -> Result<Self> {
        let shop = Shop::start_with(Options::default()).await?;
        let seller = shop.seller().await?;
        let offered = stream::iter(0..books).map(|_| seller.add_book(PRICE, COPIES)).buffer_unordered(32);
        let books: Vec<Book> = offered.try_collect().await?;
        let customers = shop.customers(customers, MONEY).await?;
        for service in Service::WITH_DATABASE {
            // A plan made while a table was empty is kept for long.
            shop.database(service)?.execute("ANALYZE").await?;
        }
        // There if the server has loaded it.
        let _ = shop.database(Service::Order)?.execute("CREATE EXTENSION pg_stat_statements").await;
        let confirmed = Confirmed::listen(&shop.broker.client().await?).await?;
        let (customers, books) = (Arc::new(customers), Arc::new(books));
        Ok(Self { shop, customers, books, confirmed, postgres_pid, placed: Mutex::default() })
    }

    /// Warms up, then measures what is placed within the time and when it is CONFIRMED.
    pub(super) async fn measure(&self, pace: Pace, order: Order, length: Duration) -> Result<Sample> {
        let warm = load::place(pace, order, length / 5, &self.customers, &self.books).await?;
        self.ends(&warm).await?;

        let before = self.meter().await?;
        let placed = load::place(pace, order, length, &self.customers, &self.books).await?;
        let ends = self.ends(&placed).await?;
        let after = self.meter().await?;
        if placed.is_empty() {
            bail!("nothing was placed in {length:?}");
        }

        #[expect(clippy::cast_precision_loss, reason = "nobody places 2^52 orders")]
        let count = placed.len() as f64;
        let last = ends.iter().max().copied().unwrap_or(after.at);
        let cpu = before.processes.iter().zip(&after.processes).map(|((name, before), (_, after))| {
            (name.clone(), (after.cpu.saturating_sub(before.cpu)).as_secs_f64() * 1e6 / count)
        });
        let per_order = |before: i64, after: i64| {
            #[expect(clippy::cast_precision_loss, reason = "nobody makes 2^52 statements")]
            let made = (after - before) as f64;
            made / count
        };
        Ok(Sample {
            pace,
            order,
            // Until the last one is CONFIRMED: what waits somewhere at the end is no throughput.
            confirmed_per_second: count / (last - before.at).as_secs_f64(),
            place: Percentiles::of(placed.iter().map(|placed| placed.answered - placed.due))?,
            confirm: Percentiles::of(placed.iter().zip(&ends).map(|(placed, end)| *end - placed.due))?,
            cpu: cpu.collect(),
            memory: after.processes.iter().map(|(name, usage)| (name.clone(), usage.memory)).collect(),
            statements_per_order: before.statements.zip(after.statements).map(|(b, a)| per_order(b, a)),
            transactions_per_order: per_order(before.transactions, after.transactions),
        })
    }

    /// Whether all that was placed has ended as it must.
    pub(super) async fn check(&self) -> Result<()> {
        let placed = self.placed.lock().await;
        eprintln!("holding {} orders against stock and money", placed.len());
        self.shop.check(&placed).await
    }

    async fn ends(&self, placed: &[Placed]) -> Result<Vec<Instant>> {
        let orders: Vec<String> = placed.iter().map(|placed| placed.order_id.clone()).collect();
        let ends = self.confirmed.take(&orders).await?;
        self.placed.lock().await.extend(orders);
        Ok(ends)
    }

    async fn meter(&self) -> Result<Meter> {
        let mut processes = Vec::new();
        for (replica, pid) in self.shop.pids().await? {
            processes.push((replica.service.name().to_owned(), usage::of(pid)?));
        }
        processes.push(("nats".to_owned(), usage::of(self.shop.broker.pid())?));
        processes.push(("postgres".to_owned(), usage::of_tree(self.postgres_pid)?));
        let mut connection = PgConnection::connect(self.shop.database(Service::Order)?.url()).await?;
        let transactions = "SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database";
        let (transactions,): (i64,) = sqlx::query_as(transactions).fetch_one(&mut connection).await?;
        let statements = "SELECT sum(calls)::bigint FROM pg_stat_statements";
        let statements: Option<(i64,)> = sqlx::query_as(statements).fetch_one(&mut connection).await.ok();
        connection.close().await.context("pg_stat_database")?;
        let statements = statements.map(|(calls,)| calls);
        Ok(Meter { at: Instant::now(), processes, statements, transactions })
    }
}
