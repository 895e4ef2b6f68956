//! Whole orders, from `PlaceOrder` to CONFIRMED, beside what the same database server does with one round trip an order.

mod confirmed;
mod load;
mod market;
mod reference;
mod report;
mod server;
mod usage;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use serde::Serialize;

use self::{
    load::{Pace, Sample},
    market::Market,
    reference::Reference,
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
    /// Lines of an order
    #[arg(long, value_delimiter = ',', default_value = "2")]
    lines: Vec<usize>,
    /// Also with one book that everybody buys
    #[arg(long)]
    hot: bool,
    /// Books on offer
    #[arg(long, default_value_t = 10_000)]
    books: usize,
    /// Customers, each with a wallet
    #[arg(long, default_value_t = 64)]
    customers: usize,
    /// How long each load lasts, after a fifth of it to warm up
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
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
#[derive(Serialize)]
struct Facts {
    cores: usize,
    seconds: f64,
    books: usize,
    customers: usize,
    load_before: String,
    load_after: String,
}

#[derive(Serialize)]
struct Record {
    facts: Facts,
    samples: Vec<Sample>,
    references: Vec<Reference>,
}

/// Starts a database server that keeps what it promises, and measures in a process that uses it.
pub(crate) fn run() -> Result<()> {
    let server = Server::start()?;
    server.measure_within()
}

pub(crate) async fn run_within(within: WithinArgs) -> Result<()> {
    let WithinArgs { args, postgres_pid } = within;
    ensure!(args.callers.iter().all(|callers| *callers > 0), "--callers: somebody has to place orders");
    ensure!(args.lines.iter().all(|lines| (1..=100).contains(lines)), "--lines: 1 to 100");
    ensure!(args.books >= 100, "--books: at least 100");
    let length = Duration::try_from_secs_f64(args.seconds)?;
    let load_before = load_average();

    eprintln!("opening a shop with {} books and {} customers", args.books, args.customers);
    let market = Market::open(args.books, args.customers, postgres_pid).await?;
    let (mut samples, mut references) = (Vec::new(), Vec::new());
    let hots = if args.hot { vec![false, true] } else { vec![false] };
    for hot in hots {
        for lines in &args.lines {
            let closed = args.callers.iter().map(|callers| Pace::Closed { callers: *callers });
            let open = args.rate.iter().map(|rate| Pace::Open { rate: *rate });
            for pace in closed.chain(open) {
                let order = load::Order { lines: *lines, hot };
                eprintln!("{pace}, {order}");
                if let Pace::Closed { callers } = pace {
                    references.push(reference::measure(callers, &order, length).await?);
                }
                samples.push(market.measure(pace, order, length).await?);
            }
        }
    }
    market.check().await?;

    let facts = Facts {
        cores: cores(),
        seconds: args.seconds,
        books: args.books,
        customers: args.customers,
        load_before,
        load_after: load_average(),
    };
    print!("{}", report::text(&facts, &samples, &references));
    if let Some(path) = args.json {
        fs::write(path, serde_json::to_vec_pretty(&Record { facts, samples, references })?)?;
    }
    Ok(())
}
