//! The same load on a small shop and on one of a million rows: what an order's statements read and take must not grow
//! with the shop.

mod growth;
mod tables;

use std::{fmt::Write as _, fs, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use serde::Serialize;

use self::tables::ReadPerOrder;
use super::{
    database::StatementPerOrder,
    load::{Order, Pace},
    market::{Market, Plan},
    programs,
    sample::Sample,
    server::{self, Server},
};

/// Beyond it, what is read for an order grows with the shop: times, and rows that don't matter.
const GROWTH: f64 = 1.5;
const ROWS: f64 = 2.0;
/// Shown of the statements.
const STATEMENTS: usize = 25;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many books and orders the shop has; a tenth as many customers, and events that are still kept
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    rows: Vec<i64>,
    /// Orders being placed at a time
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// How long the load lasts at each size
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// The folder with the services' programs, instead of building them beside this one
    #[arg(long)]
    programs: Option<PathBuf>,
    /// A setting of Postgres, beside those of `cargo xtask up`: `shared_buffers=512MB`
    #[arg(long, value_parser = server::setting)]
    setting: Vec<(String, String)>,
    /// Where to write everything
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

/// What was seen at one size.
#[derive(Debug, Serialize)]
struct Stage {
    rows: i64,
    sample: Sample,
    reads: Vec<ReadPerOrder>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(!args.rows.is_empty() && args.callers > 0, "nothing would be measured");
    let (folder, told) = programs::choose(args.programs.as_deref())?;
    programs::check(&folder)?;
    let asked = std::env::args_os().skip_while(|argument| argument != "plans").skip(1);
    Server::start(&args.setting)?.run_within("plans-within", asked.chain(told))
}

pub(crate) async fn run_within(within: WithinArgs) -> Result<()> {
    let WithinArgs { args, postgres_pid } = within;
    let plan = Plan { books: 1_000, customers: 64, open: 2_000, postgres_pid };
    let (folder, _) = programs::choose(args.programs.as_deref())?;
    let market = Market::open(&folder, &plan).await?;
    let pace = Pace::Closed { callers: args.callers };
    let (order, length) = (Order { lines: 2, hot: false }, Duration::try_from_secs_f64(args.seconds)?);
    // Orders to make copies of.
    market.measure(pace, order, Duration::from_secs(2)).await?;
    let mut stages: Vec<Stage> = Vec::new();
    for rows in &args.rows {
        eprintln!("growing to {rows} rows");
        growth::grow(&market.shop, *rows).await?;
        // Plans are made anew, and what was only written so far is read once.
        market.measure(pace, order, Duration::from_secs(2)).await?;
        let (before, placed) = (tables::read(&market.shop).await?, market.count().await);
        let sample = market.measure(pace, order, length).await?;
        let (after, placed) = (tables::read(&market.shop).await?, market.count().await - placed);
        let reads = tables::per_order(&before, &after, f64::from(u32::try_from(placed)?));
        stages.push(Stage { rows: *rows, sample, reads });
    }
    print!("{}", text(&stages));
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&stages)?)?;
    }
    let wrong = wrong(&stages);
    ensure!(wrong.is_empty(), "the order path reads more than it needs:\n{}", wrong.join("\n"));
    Ok(())
}

/// Tables that are read whole, or more of which is read the larger they are.
fn wrong(stages: &[Stage]) -> Vec<String> {
    let mut wrong = Vec::new();
    for stage in stages {
        for read in stage.reads.iter().filter(|read| read.in_sequence > 1.0) {
            let ReadPerOrder { service, table, in_sequence, .. } = read;
            wrong.push(format!(
                "with {} rows, {service}'s {table}: {in_sequence:.0} rows an order, in sequence",
                stage.rows
            ));
        }
    }
    let [smallest, .., largest] = stages else { return wrong };
    for large in &largest.reads {
        let same = |read: &&ReadPerOrder| read.service == large.service && read.table == large.table;
        // One that was small then is not told of.
        let Some(small) = smallest.reads.iter().find(same) else { continue };
        if large.by_index > small.by_index * GROWTH + ROWS {
            let (service, table) = (large.service, &large.table);
            wrong.push(format!(
                "{service}'s {table}: {:.1} rows an order with {} rows, {:.1} with {}",
                small.by_index, smallest.rows, large.by_index, largest.rows
            ));
        }
    }
    wrong
}

fn text(stages: &[Stage]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_all(&mut text, stages);
    text
}

fn write_all(text: &mut String, stages: &[Stage]) -> std::fmt::Result {
    writeln!(text, "| rows | load | CONFIRMED/s | Postgres, µs CPU an order |\n|---:|---|---:|---:|")?;
    for Stage { rows, sample, .. } in stages {
        let postgres = sample.cpu.iter().find(|(name, _)| name == "postgres").map_or(0.0, |(_, cpu)| *cpu);
        writeln!(text, "| {rows} | {} | {:.0} | {postgres:.0} |", sample.pace, sample.confirmed_per_second)?;
    }
    let sizes: Vec<String> = stages.iter().map(|stage| stage.rows.to_string()).collect();
    let columns =
        |what: &str| sizes.iter().map(|size| format!("{what}, {size} | ")).collect::<Vec<_>>().concat();
    let rule = "---:|".repeat(stages.len() * 2);
    let Some(last) = stages.last() else { return Ok(()) };

    writeln!(text, "\nStatements, those first that take longest at the largest size:\n")?;
    writeln!(text, "| {}{}calls/order | service | statement |", columns("µs/order"), columns("blocks/call"))?;
    writeln!(text, "|{rule}---:|---|---|")?;
    for statement in last.sample.work.by_statement.iter().take(STATEMENTS) {
        let same = |other: &&StatementPerOrder| {
            other.service == statement.service && other.statement == statement.statement
        };
        let found: Vec<Option<&StatementPerOrder>> =
            stages.iter().map(|stage| stage.sample.work.by_statement.iter().find(same)).collect();
        let cell = |figure: fn(&StatementPerOrder) -> f64| -> String {
            let cells =
                found.iter().map(|one| one.map_or_else(String::new, |one| format!("{:.1}", figure(one))));
            cells.map(|cell| format!("{cell} | ")).collect::<Vec<_>>().concat()
        };
        let words: String = statement.statement.replace('|', "\\|").chars().take(120).collect();
        writeln!(
            text,
            "| {}{}{:.3} | {} | {words} |",
            cell(|one| one.microseconds),
            cell(|one| one.blocks / one.calls),
            statement.calls,
            statement.service,
        )?;
    }

    writeln!(text, "\nRows read for an order, of tables that have more than a few:\n")?;
    writeln!(text, "| {}{}service | table |", columns("by index"), columns("in sequence"))?;
    writeln!(text, "|{rule}---|---|")?;
    for read in &last.reads {
        let same = |other: &&ReadPerOrder| other.service == read.service && other.table == read.table;
        let found: Vec<Option<&ReadPerOrder>> =
            stages.iter().map(|stage| stage.reads.iter().find(same)).collect();
        let cell = |figure: fn(&ReadPerOrder) -> f64| -> String {
            let cells =
                found.iter().map(|one| one.map_or_else(String::new, |one| format!("{:.2}", figure(one))));
            cells.map(|cell| format!("{cell} | ")).collect::<Vec<_>>().concat()
        };
        writeln!(
            text,
            "| {}{}{} | {} |",
            cell(|read| read.by_index),
            cell(|read| read.in_sequence),
            read.service,
            read.table
        )?;
    }
    Ok(())
}
