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
mod typed;

/// Readers of bytes that are nobody's business but the command's, and the fuzzer's.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::commands::read_feed;
}

use std::process::ExitCode;

use clap::Parser as _;

/// Does what the command line says.
pub async fn main() -> ExitCode {
    let args = args::Args::parse();
    let output = output::Output::new(args.output);
    match commands::run(args, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
