//! `cargo xtask torture` builds this and everything that it starts.
#![expect(clippy::print_stdout, reason = "a command of the terminal talks by printing")]

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use system_tests::torture::{Rounds, torture};
use uuid::Uuid;

/// Break two replicas of everything at random, round after round, and hold the databases against what everybody was told.
#[derive(Parser)]
struct Args {
    /// Tells what is done and what goes wrong; drawn if nobody says
    #[arg(long)]
    seed: Option<u64>,
    /// How long rounds begin
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// This round alone
    #[arg(long, conflicts_with = "minutes")]
    round: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| u64::from(Uuid::new_v4().as_fields().0));
    println!("seed {seed}");
    let rounds = args.round.map_or_else(|| Rounds::For(Duration::from_mins(args.minutes)), Rounds::Only);
    println!("{}", torture(seed, rounds, |round| println!("{round}")).await?);
    Ok(())
}
