//! What things cost, measured in pairs on the machine at hand.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command of the terminal talks by printing")]

mod certificates;
mod cpu;
mod mesh_cost;
mod replica;

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
