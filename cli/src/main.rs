//! `bookstore`, the bookshop for the terminal.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
