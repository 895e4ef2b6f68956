//! One file for each group of commands.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod book;
pub(crate) mod books;
pub(crate) mod events;
pub(crate) mod order;
pub(crate) mod role;
pub(crate) mod shop;
pub(crate) mod stock;
pub(crate) mod wallet;

use std::io;

use clap::CommandFactory as _;

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
        Command::Books(books) => books.run(&at, output).await,
        Command::Wallet(wallet) => wallet.run(&at, output).await,
        Command::Address(address) => address.run(&at, output).await,
        Command::Order(order) => order.run(&at, output).await,
        Command::Shop(shop) => shop.run(&at, output).await,
        Command::Book(book) => book.run(&at, output).await,
        Command::Stock(stock) => stock.run(&at, output).await,
        Command::Role(role) => role.run(&at, output).await,
        Command::Events(events) => events.run(&at, output).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "bookstore", &mut io::stdout());
            Ok(())
        }
    }
}
