//! One file for each group of commands.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod books;
pub(crate) mod card;
pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod mail;
pub(crate) mod order;
mod password;
pub(crate) mod payment;
pub(crate) mod role;
pub(crate) mod shop;
pub(crate) mod stock;
pub(crate) mod users;
pub(crate) mod wallet;

pub use books::read_feed;

use std::io;

use clap::CommandFactory as _;
use prost_types::FieldMask;

use crate::{
    args::{Args, Command},
    failure::Failure,
    output::Output,
};

/// Does what was typed.
pub(crate) async fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let at = args.gateway;
    match args.command {
        Command::Register(register) => register.run(&at, output).await,
        Command::Login(login) => login.run(&at, output).await,
        Command::Logout => account::logout(&at, output).await,
        Command::Whoami => account::whoami(&at, output).await,
        Command::Account(account) => account.run(&at, output).await,
        Command::Books(books) => books.run(&at, output).await,
        Command::Wallet(wallet) => wallet.run(&at, output).await,
        Command::Card(card) => card.run(&at, output).await,
        Command::Address(address) => address.run(&at, output).await,
        Command::Order(order) => order.run(&at, output).await,
        Command::Shop(shop) => shop.run(&at, output).await,
        Command::Stock(stock) => stock.run(&at, output).await,
        Command::Role(role) => role.run(&at, output).await,
        Command::Users(users) => users.run(&at, output).await,
        Command::Payment(payment) => payment.run(&at, output).await,
        Command::Mail(mail) => mail.run(&at, output).await,
        Command::Keys(keys) => keys.run(&at, output).await,
        Command::Events(events) => events.run(&at, output).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "bookstore", &mut io::stdout());
            Ok(())
        }
    }
}

/// The fields that were given, as the shop asks for them; nothing if none was.
fn mask<const N: usize>(fields: [(&str, bool); N]) -> Option<FieldMask> {
    let paths: Vec<_> =
        fields.into_iter().filter(|(_, is_given)| *is_given).map(|(path, _)| path.to_owned()).collect();
    (!paths.is_empty()).then_some(FieldMask { paths })
}
