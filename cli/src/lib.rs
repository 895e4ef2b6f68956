//! `bookstore`, the bookshop for the terminal.

mod args;
mod choice;
mod commands;
mod credentials;
mod failure;
mod gateway;
mod output;
mod paging;
mod request;
mod session;
mod standard_input;
mod trace;
mod typed;

/// Readers of bytes that are nobody's business but the command's, and the fuzzer's.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::commands::read_feed;
}

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use tracing::Instrument as _;

use crate::{args::Args, failure::Failure, output::Output, trace::Trace};

/// Does what the command line says. Compiled here, with all that it awaits, and not again in the program.
///
/// # Panics
/// The system has no threads left to give.
#[must_use]
#[tokio::main]
pub async fn main() -> ExitCode {
    let typed = Args::command().get_matches();
    let args = Args::from_arg_matches(&typed).unwrap_or_else(|error| error.exit());
    let output = Output::new(args.output);
    match run(args, &typed, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(args: Args, typed: &clap::ArgMatches, output: &Output) -> Result<(), Failure> {
    let trace = Trace::begin(&args.trace, typed, args.gateway.told())?;
    let outcome = commands::run(args, output).instrument(trace.span()).await;
    trace.end(outcome.is_err(), output).await;
    outcome
}
