//! Loads the demo catalogue, the demo shop and its users into a shop, through the calls that everybody uses.
//!
//! It may be run again at any time: every call carries a fixed request id, so what is there already stays as it is.
#![expect(clippy::print_stdout, reason = "the accounts are what this program answers")]

mod catalogue;
mod load;
mod people;
mod retry;

use anyhow::{Context, Result};
use clap::Parser;
use tonic::transport::{Channel, Endpoint};

/// Loads the demo catalogue and the demo users into a shop.
#[derive(Parser)]
struct Args {
    /// Where identity answers
    #[arg(long, env = "BOOKSTORE_IDENTITY", value_name = "URL", default_value = "http://127.0.0.1:50051")]
    identity: String,
    /// Where inventory answers
    #[arg(long, env = "BOOKSTORE_INVENTORY", value_name = "URL", default_value = "http://127.0.0.1:50052")]
    inventory: String,
    /// Where payment answers
    #[arg(long, env = "BOOKSTORE_PAYMENT", value_name = "URL", default_value = "http://127.0.0.1:50054")]
    payment: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let demo = people::Demo::read()?;
    let shop = load::Shop::new(channel(&args.identity)?, channel(&args.inventory)?, channel(&args.payment)?);
    shop.load(&demo, catalogue::read()?).await?;
    println!("{}", demo.table());
    Ok(())
}

fn channel(address: &str) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(address.to_owned())
        .with_context(|| format!("`{address}` is no address; one looks like http://127.0.0.1:50051"))?;
    Ok(endpoint.connect_lazy())
}
