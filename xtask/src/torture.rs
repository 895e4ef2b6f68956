//! `cargo xtask torture`: two replicas of everything, random customers, random faults, and the databases held against
//! what everybody was told.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    build,
    process::{self, Interrupt},
    up::services::SERVICES,
};

/// Where the program that does it stands.
const PACKAGE: &str = "system-tests";
const PROGRAM: &str = "torture";

/// What is done to the shop.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Tells what is done and what goes wrong; drawn if nobody says
    #[arg(long)]
    seed: Option<u64>,
    /// For how long rounds begin
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// This round alone, in a shop where nothing has happened before
    #[arg(long, conflicts_with = "minutes")]
    round: Option<u64>,
}

/// Builds the services with their crash points, and lets the program start and break them.
pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    let mut packages: Vec<&str> = SERVICES.iter().map(|service| service.name).collect();
    packages.push(PACKAGE);
    let programs = build::programs(&packages, interrupt)?;
    let mut command = Command::new(programs.get(PROGRAM).context("no program was built that tortures")?);
    command.args(args.seed.iter().map(|seed| format!("--seed={seed}")));
    match args.round {
        Some(round) => command.arg(format!("--round={round}")),
        None => command.arg(format!("--minutes={}", args.minutes)),
    };
    let status = process::run(&mut command, interrupt)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
