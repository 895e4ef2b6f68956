//! What can be typed: the commands, and what `--help` teaches of them.

use clap::{Parser, Subcommand, ValueEnum};

use crate::{commands, endpoints::Endpoints};

const AFTER_HELP: &str = "\
A first order:
  bookstore register --email ada@example.com --name Ada
  bookstore address add --recipient Ada --line '1 Analytical Way' --city London --country GB
  bookstore wallet top-up 50.00
  bookstore books list --category science-fiction
  bookstore order place --book 9780441172719 --watch

Exit codes:
  0  done
  1  the shop refused, and said why
  2  the command line is wrong
  3  sign in first
  4  the shop cannot be reached
  5  no answer: it may or may not have happened; the message names the --request-id that makes it safe to repeat";

/// The bookshop, for the terminal.
///
/// Readers find books, pay from a wallet and follow their orders; booksellers open a shop, offer books and count stock.
#[derive(Parser)]
#[command(name = "bookstore", version, after_long_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Args {
    /// How to print answers: a table to read, or JSON to process
    #[arg(long, short, global = true, value_enum, default_value_t, env = "BOOKSTORE_OUTPUT")]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) endpoints: Endpoints,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How answers are printed.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: the answer's fields as the contract names them, 64-bit integers as numbers
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Open an account and sign in
    Register(commands::account::Register),
    /// Sign in; the token is kept in your configuration folder, readable by you only
    Login(commands::account::Login),
    /// Sign out: forget the token
    Logout,
    /// Who is signed in, and until when
    Whoami,
    /// Find books
    #[command(subcommand)]
    Books(commands::books::Books),
    /// Your wallet: what it holds, what went in and out
    #[command(subcommand)]
    Wallet(commands::wallet::Wallet),
    /// Where your books are delivered to
    #[command(subcommand)]
    Address(commands::address::Address),
    /// Place orders and follow them
    #[command(subcommand)]
    Order(commands::order::Order),
    /// For booksellers: your shop
    #[command(subcommand)]
    Shop(commands::shop::Shop),
    /// For booksellers: what your shop offers
    #[command(subcommand)]
    Book(commands::book::Book),
    /// For booksellers: what is on your shelves
    #[command(subcommand)]
    Stock(commands::stock::Stock),
    /// Print completions for your shell
    ///
    /// For bash: source <(bookstore completions bash)
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Args::command().debug_assert();
    }
}
