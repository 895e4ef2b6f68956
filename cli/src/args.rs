//! What can be typed: the commands, and what `--help` teaches of them.

use clap::{Parser, Subcommand, ValueEnum};

use crate::{commands, gateway::Gateway, trace};

/// The commands by what they are for; `clap` itself lists them in one heap.
const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

Your account:
  register     Open an account and sign in
  login        Sign in
  logout       Sign out: end the session and forget the token
  whoami       Who is signed in, as what, and until when
  account      What you are called, your password: update, password, delete
  address      Where your books are delivered to: add, list, update, delete, default
  card         The cards that you pay with: add, list, remove
  wallet       What it holds, what went in and out: balance, top-up, withdraw, entries

Books and orders:
  books        Find books: list, show
  order        Order books and follow them: place, show, watch, list, cancel, return, returns
  payment      What was paid for them: list, show

For booksellers:
  shop         Shops: list, show, register, mine, update
               who works in yours: members, add-member, remove-member
               where its stock lies: locations, add-location
               what it sends and takes back: shipments, returns, accept-return, reject-return
  books        What your shop offers: add, update, withdraw, import
  stock        What is on your shelves: set, adjust, show, movements
  order        What is on its way: ship, deliver

For those who run the shop:
  users        Who has an account: list, show, grant, revoke, delete
  role         Who may do what: grant, revoke
  order        Everybody's orders: list --everybody
  payment      Money back, and payments that hang: refund, process
  mail         The e-mails that the shop sends: list
  keys         The keys that sign access tokens: rotate
  events       Events that services could not handle: dead list, dead show, dead replay, dead discard

Others:
  completions  Print completions for your shell
  help         What a command does, with examples: bookstore help order place

Options:
{options}{after-help}";

const AFTER_HELP: &str = "\
A first order:
  bookstore register --email ada@example.com --name Ada
  bookstore address add --recipient Ada --line '1 Analytical Way' --city London --country GB
  bookstore card add tok_visa
  bookstore wallet top-up 50.00
  bookstore books list --category science-fiction
  bookstore order place --book 9780441172719 --watch

Exit codes:
  0  done
  1  not possible: the shop refused, or something is missing here, like an address; the message says why
  2  the command line is wrong
  3  sign in first; also after registering, if that could not sign you in
  4  the shop, or a part of it, cannot be reached, or cannot answer now
  5  no answer: it may or may not have happened; the message names the command that is safe to repeat";

/// The bookshop, for the terminal.
///
/// Readers find books, pay from a wallet or by card, and follow their orders; booksellers open a shop, offer books, count
/// stock, and send parcels; admins say who is a bookseller, and look after what went wrong.
#[derive(Parser)]
#[command(name = "bookstore", version, after_long_help = AFTER_HELP, arg_required_else_help = true)]
#[command(help_template = TEMPLATE)]
pub(crate) struct Args {
    /// How to print answers: a table to read, or JSON to process
    #[arg(long, short, global = true, value_enum, default_value_t, env = "BOOKSTORE_OUTPUT")]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) trace: trace::Wanted,
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
    /// Sign out: end the session and forget the token, which works even if the shop cannot be reached
    #[command(after_long_help = "Example:\n  bookstore logout")]
    Logout,
    /// Who is signed in, as what, and until when
    #[command(after_long_help = "Example:\n  bookstore whoami --output json | jq -r .user_id")]
    Whoami,
    /// Your account: what you are called, your password
    #[command(subcommand, after_long_help = "Example:\n  bookstore account update --name 'Ada King'")]
    Account(commands::account::manage::Account),
    /// Find books, and offer them
    #[command(
        subcommand,
        alias = "book",
        after_long_help = "Example:\n  bookstore books list --category poetry"
    )]
    Books(commands::books::Books),
    /// Your wallet: what it holds, what went in and out
    #[command(subcommand, after_long_help = "Example:\n  bookstore wallet top-up 50.00")]
    Wallet(commands::wallet::Wallet),
    /// The cards that you pay with
    #[command(subcommand, after_long_help = "Example:\n  bookstore card add tok_visa")]
    Card(commands::card::Card),
    /// Where your books are delivered to
    #[command(subcommand, after_long_help = "Example:\n  bookstore address list")]
    Address(commands::address::Address),
    /// Place orders and follow them
    #[command(
        subcommand,
        after_long_help = "Example:\n  bookstore order place --book 9780441172719:2 --watch"
    )]
    Order(commands::order::Order),
    /// Shops; for booksellers also their people, rooms, parcels and returns
    #[command(
        subcommand,
        after_long_help = "Examples:\n  bookstore shop list --city Leipzig\n  bookstore shop register --name 'The Corner Bookshop' --city Berlin"
    )]
    Shop(commands::shop::Shop),
    /// For booksellers: what is on your shelves
    #[command(
        subcommand,
        after_long_help = "Example:\n  bookstore stock set ofr_… 12 --reason 'yearly count'"
    )]
    Stock(commands::stock::Stock),
    /// For those who run the shop: who may do what
    #[command(
        subcommand,
        after_long_help = "Example:\n  bookstore role grant shop_owner --email bea@example.com"
    )]
    Role(commands::role::Role),
    /// For those who run the shop: who has an account
    #[command(subcommand, after_long_help = "Example:\n  bookstore users show ada@example.com")]
    Users(commands::users::Users),
    /// What was paid for orders, and what was given back
    #[command(subcommand, after_long_help = "Example:\n  bookstore payment show ord_…")]
    Payment(commands::payment::Payment),
    /// For those who run the shop: the e-mails that it sends
    #[command(subcommand, after_long_help = "Example:\n  bookstore mail list --state failed")]
    Mail(commands::mail::Mail),
    /// For those who run the shop: the keys that sign access tokens
    #[command(subcommand, after_long_help = "Example:\n  bookstore keys rotate")]
    Keys(commands::keys::Keys),
    /// For those who run the shop: events that services could not handle
    #[command(subcommand, after_long_help = "Example:\n  bookstore events dead list")]
    Events(commands::events::Events),
    /// Print completions for your shell
    #[command(
        after_long_help = "Examples:\n  source <(bookstore completions bash)\n  bookstore completions fish > ~/.config/fish/completions/bookstore.fish"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    #[test]
    fn the_command_line_is_well_formed() {
        super::Args::command().debug_assert();
    }

    #[test]
    fn the_help_by_hand_lists_every_command() {
        let help = super::Args::command().render_long_help().to_string();
        for command in super::Args::command().get_subcommands() {
            let name = command.get_name();
            assert!(help.contains(&format!("\n  {name} ")), "{name} is missing in:\n{help}");
            let told = told_of(name, &help);
            let missing: Vec<_> = command
                .get_subcommands()
                .map(Command::get_name)
                .filter(|action| !told.iter().any(|word| word == action))
                .collect();
            assert!(missing.is_empty(), "{name}: {missing:?} are missing in:\n{help}");
        }
    }

    /// The words behind a command's name, in its own lines and in those that go on below.
    fn told_of(name: &str, help: &str) -> Vec<String> {
        let mut is_of_it = false;
        let mut words = Vec::new();
        for line in help.lines() {
            is_of_it = line.starts_with(&format!("  {name} ")) || (is_of_it && line.starts_with("     "));
            if is_of_it {
                let line = line.split([' ', ',', ':']).filter(|word| !word.is_empty());
                words.extend(line.map(str::to_owned));
            }
        }
        words
    }

    #[test]
    fn every_command_teaches_by_an_example() {
        fn check(command: &mut Command, path: &str) {
            let help = command.render_long_help().to_string();
            assert!(help.contains(path) && help.contains("Example"), "{path} has no example:\n{help}");
            assert!(command.get_about().is_some(), "{path} says nothing about itself");
            for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
                let path = format!("{path} {}", inner.get_name());
                check(inner, &path);
            }
        }
        for command in super::Args::command().get_subcommands_mut() {
            let path = format!("bookstore {}", command.get_name());
            check(command, &path);
        }
    }
}
