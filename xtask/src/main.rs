//! Developer commands: `cargo xtask up` opens the whole shop on this machine, `cargo xtask test` checks it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command of the terminal talks by printing")]

mod build;
mod cluster_test;
mod down;
mod fuzz;
mod images;
mod local;
mod process;
mod programs;
mod release;
mod reset;
mod say;
mod test;
mod tools;
mod torture;
mod up;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::process::{INTERRUPTED, Interrupt, Interrupted};

/// Developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Open the shop on this machine: build, start Postgres, NATS and every service, load the demo catalogue
    Up(up::Args),
    /// Stop a shop that runs in another terminal; its data stays
    Down,
    /// Wipe the shop's data
    Reset,
    /// Build the programs as they are shipped: static, optimised, without fault points
    Release,
    /// Make the container images of what is shipped, as archives; no container engine is needed
    Images(images::Args),
    /// Build the programs static and unoptimised, into a folder that Tilt watches
    Programs(programs::Args),
    /// Run every check that needs no cluster
    Test(test::Args),
    /// Install the chart on a real cluster, use it, break it, change it, take it away
    ClusterTest(cluster_test::Args),
    /// Search for bytes that break a reader of bytes, guided by the code that they reach
    Fuzz(fuzz::Args),
    /// Break two replicas of everything at random, and look whether the shop keeps what it has promised
    Torture(torture::Args),
    /// Say what is not as it must be in the shop that runs here, or in another one: stock, ledger, orders, events
    #[command(disable_help_flag = true)]
    Verify(verify::Args),
}

fn main() -> ExitCode {
    let command = Args::parse().command;
    let outcome = Interrupt::on_signals().and_then(|interrupt| match command {
        Command::Up(args) => up::run(&args, &interrupt),
        Command::Down => down::run(),
        Command::Reset => reset::run(),
        Command::Release => release::run(&interrupt),
        Command::Images(args) => images::run(&args, &interrupt),
        Command::Programs(args) => programs::run(&args, &interrupt),
        Command::Test(args) => test::run(&args, &interrupt),
        Command::ClusterTest(args) => cluster_test::run(&args, &interrupt),
        Command::Fuzz(args) => fuzz::run(&args, &interrupt),
        Command::Torture(args) => torture::run(&args, &interrupt),
        Command::Verify(args) => verify::run(&args, &interrupt),
    });
    match outcome {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
