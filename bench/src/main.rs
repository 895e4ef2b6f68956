//! What things cost, measured in pairs on the machine at hand.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command of the terminal talks by printing")]

mod certificates;
mod cpu;
mod mesh_cost;
mod orders;
mod replica;

use std::fs;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// What things cost, measured in pairs on the machine at hand.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What a call through the mesh costs beside one through a bare tonic channel
    Mesh(mesh_cost::Args),
    /// Whole orders, from `PlaceOrder` to CONFIRMED, beside pgbench on the same server
    Orders(orders::Args),
    /// The part of it that has a database server
    #[command(hide = true)]
    OrdersWithin(orders::WithinArgs),
    /// What an order's statements read, in a small shop and in a large one
    Plans(orders::plans::Args),
    /// The part of it that has a database server
    #[command(hide = true)]
    PlansWithin(orders::plans::WithinArgs),
    /// The service that is called, in a process of its own
    #[command(hide = true)]
    Replica(replica::Args),
}

fn main() -> Result<()> {
    let command = Args::parse().command;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?;
    match command {
        Command::Mesh(args) => runtime.block_on(mesh_cost::run(args)),
        Command::Orders(args) => orders::run(&args),
        Command::OrdersWithin(args) => runtime.block_on(orders::run_within(args)),
        Command::Plans(args) => orders::plans::run(&args),
        Command::PlansWithin(args) => runtime.block_on(orders::plans::run_within(args)),
        Command::Replica(args) => runtime.block_on(replica::run(&args)),
    }
}

/// Half of the machine for either side.
fn workers() -> usize {
    (cores() / 2).max(1)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Who else uses the machine: of one, five and fifteen minutes.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
