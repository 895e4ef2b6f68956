//! `cargo xtask test`: every check that needs no cluster, and those that do when asked for.

mod alerts;
mod chart;
mod counts;
mod links;
mod recipe;
pub(crate) mod runner;
mod steps;
mod tilt;
mod tour;
mod yaml;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::ValueEnum;

use crate::process::{Interrupt, Interrupted};

use self::steps::Step;
pub(crate) use self::{counts::Counts, steps::Outcome};

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this step; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
    /// Also what takes a cluster, as `cargo xtask cluster-test` finds or makes one
    #[arg(long)]
    cluster: bool,
}

impl Args {
    fn includes(&self, step: Step) -> bool {
        if self.only.is_empty() { self.cluster || !step.takes_cluster() } else { self.only.contains(&step) }
    }
}

/// Runs the steps, every one of them even after one has failed. The last line counts the tests.
pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    let mut counts = Counts::default();
    let mut report = Vec::new();
    for step in Step::value_variants() {
        if !args.includes(*step) {
            continue;
        }
        println!("\n== {step}");
        let start = Instant::now();
        let outcome = match step.run(&mut counts, interrupt) {
            Ok(outcome) => outcome,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        interrupt.check()?;
        report.push((*step, start.elapsed(), outcome));
    }
    print(&report);
    println!("{counts}");
    let failed = report.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)));
    Ok(if failed || counts.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(report: &[(Step, Duration, Outcome)]) {
    println!();
    for (step, took, outcome) in report {
        println!("{:>7.1} s  {:<12} {outcome}", took.as_secs_f64(), step.to_string());
    }
}
