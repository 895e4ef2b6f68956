//! Whole orders, from `PlaceOrder` to CONFIRMED, beside what the same database server does with one round trip an order.

mod confirmed;
mod database;
mod load;
mod market;
mod percentiles;
pub(crate) mod plans;
mod programs;
mod reference;
mod report;
mod sample;
mod server;
mod usage;

use std::{env, fs, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use serde::Serialize;

use self::{
    load::{Order, Pace},
    market::{Market, Plan},
    reference::Reference,
    sample::Sample,
    server::Server,
};
use crate::{cores, load_average};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Orders being placed at a time, each caller waiting for its answer before it places the next
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256")]
    callers: Vec<usize>,
    /// Orders a second, placed whether those before are answered or not; latencies count from when each was due
    #[arg(long, value_delimiter = ',')]
    rate: Vec<u32>,
    /// Orders placed and not yet CONFIRMED with which callers wait before they place another one
    #[arg(long, default_value_t = 2_000)]
    open: usize,
    /// Lines of an order
    #[arg(long, value_delimiter = ',', default_value = "2")]
    lines: Vec<usize>,
    /// Also with one book that everybody buys
    #[arg(long)]
    hot: bool,
    /// Only with one book that everybody buys
    #[arg(long, conflicts_with = "hot")]
    only_hot: bool,
    /// Books on offer
    #[arg(long, default_value_t = 10_000)]
    books: usize,
    /// Customers, each with a wallet
    #[arg(long, default_value_t = 64)]
    customers: usize,
    /// How long each load lasts, after a fifth of it to warm up
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How often each load has its turn; the tables tell of the medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Clients of pgbench, the best of which counts; each has its turn in each round
    #[arg(long, value_delimiter = ',', default_value = "8,32,64")]
    clients: Vec<usize>,
    /// The folder with the services' programs, instead of building them beside this one
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Another folder with programs: a second shop, whose turn comes beside that of the first
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// A setting of Postgres, beside those of `cargo xtask up`: `shared_buffers=512MB`
    #[arg(long, value_parser = server::setting)]
    setting: Vec<(String, String)>,
    /// Tell of the statements that took most of the database server's time
    #[arg(long)]
    statements: bool,
    /// Where to write every sample
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The same with a database server of its own, whose address is in the environment.
#[derive(clap::Args)]
pub(crate) struct WithinArgs {
    #[command(flatten)]
    args: Args,
    #[arg(long)]
    postgres_pid: u32,
}

/// What the figures depend on.
#[derive(Debug, Serialize)]
struct Facts {
    cores: usize,
    seconds: f64,
    rounds: usize,
    books: usize,
    customers: usize,
    open: usize,
    settings: Vec<(String, String)>,
    load_before: String,
    load_after: String,
}

/// One turn of a load.
#[derive(Debug, Serialize)]
struct Turn {
    round: usize,
    /// Whether with the programs that are compared with.
    is_baseline: bool,
    sample: Sample,
}

/// A shop as it was before and after everything.
#[derive(Debug, Serialize)]
struct Stand {
    is_baseline: bool,
    programs: PathBuf,
    /// Resident before anybody used it, in bytes.
    idle: Vec<(String, u64)>,
    /// Resident after the last load, in bytes.
    after: Vec<(String, u64)>,
    /// Orders that were held against stock and money, all as they must be.
    verified: usize,
}

#[derive(Debug, Serialize)]
struct Record {
    facts: Facts,
    turns: Vec<Turn>,
    references: Vec<Reference>,
    stands: Vec<Stand>,
}

/// Starts a database server that keeps what it promises, and measures in a process that uses it.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.callers.iter().all(|callers| *callers > 0), "--callers: somebody has to place orders");
    ensure!(args.lines.iter().all(|lines| (1..=100).contains(lines)), "--lines: 1 to 100");
    ensure!(
        args.books > args.lines.iter().copied().max().unwrap_or(0),
        "--books: more than an order's lines"
    );
    ensure!(args.rounds > 0 && args.open > 0 && args.customers > 0, "nothing would be measured");
    let (programs, told) = programs::choose(args.programs.as_deref())?;
    for folder in args.baseline.iter().chain([&programs]) {
        programs::check(folder)?;
    }
    let asked = env::args_os().skip_while(|argument| argument != "orders").skip(1);
    Server::start(&args.setting)?.run_within("orders-within", asked.chain(told))
}

pub(crate) async fn run_within(within: WithinArgs) -> Result<()> {
    let WithinArgs { args, postgres_pid } = within;
    let load_before = load_average();
    let plan = Plan { books: args.books, customers: args.customers, open: args.open, postgres_pid };
    let mut markets = Vec::new();
    for programs in args.programs.iter().chain(&args.baseline) {
        let (books, customers) = (plan.books, plan.customers);
        eprintln!("opening a shop of {} with {books} books and {customers} customers", programs.display());
        markets.push(Market::open(programs, &plan).await?);
    }
    let (turns, references) = measure(&args, &markets).await?;
    let mut stands = Vec::new();
    for (number, market) in markets.into_iter().enumerate() {
        stands.push(stand(number, &market).await?);
    }
    let facts = Facts {
        cores: cores(),
        seconds: args.seconds,
        rounds: args.rounds,
        books: args.books,
        customers: args.customers,
        open: args.open,
        settings: args.setting,
        load_before,
        load_after: load_average(),
    };
    let record = Record { facts, turns, references, stands };
    print!("{}", report::text(&record, args.statements));
    if let Some(path) = args.json {
        fs::write(path, serde_json::to_vec_pretty(&record)?)?;
    }
    Ok(())
}

/// In each round every load has its turn, and between them pgbench with each number of clients.
async fn measure(args: &Args, markets: &[Market]) -> Result<(Vec<Turn>, Vec<Reference>)> {
    let length = Duration::try_from_secs_f64(args.seconds)?;
    let (mut turns, mut references) = (Vec::new(), Vec::new());
    let orders: Vec<Order> = [false, true]
        .into_iter()
        .filter(|hot| if *hot { args.hot || args.only_hot } else { !args.only_hot })
        .flat_map(|hot| args.lines.iter().map(move |lines| Order { lines: *lines, hot }))
        .collect();
    let closed = args.callers.iter().map(|callers| Pace::Closed { callers: *callers });
    let paces: Vec<Pace> = closed.chain(args.rate.iter().map(|rate| Pace::Open { rate: *rate })).collect();
    for round in 0..args.rounds {
        for order in &orders {
            let mut clients = args.clients.iter();
            for (turn, pace) in paces.iter().enumerate() {
                if let Some(clients) = clients.next() {
                    references.push(reference(round, *clients, *order, length).await?);
                }
                for at in 0..markets.len() {
                    // Who is first changes: what the one leaves behind the other finds.
                    let number = (at + round + turn) % markets.len();
                    let sample = markets[number].measure(*pace, *order, length).await?;
                    let (is_baseline, rate) = (number > 0, sample.confirmed_per_second);
                    let programs = if is_baseline { " (baseline)" } else { "" };
                    eprintln!("round {round}, {pace}, {order}{programs}: {rate:.0}/s");
                    turns.push(Turn { round, is_baseline, sample });
                }
            }
            for clients in clients {
                references.push(reference(round, *clients, *order, length).await?);
            }
        }
    }
    Ok((turns, references))
}

async fn reference(round: usize, clients: usize, order: Order, length: Duration) -> Result<Reference> {
    let reference = reference::measure(round, clients, &order, length).await?;
    let rate = reference.orders_per_second.unwrap_or(f64::NAN);
    eprintln!("round {round}, pgbench, {clients} clients, {order}: {rate:.0}/s");
    Ok(reference)
}

async fn stand(number: usize, market: &Market) -> Result<Stand> {
    let memory = |usages: Vec<(String, usage::Usage)>| {
        usages.into_iter().map(|(name, usage)| (name, usage.memory)).collect()
    };
    Ok(Stand {
        is_baseline: number > 0,
        programs: market.programs.clone(),
        idle: memory(market.idle.clone()),
        after: memory(market.processes().await?),
        verified: market.check().await?,
    })
}
