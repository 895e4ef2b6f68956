//! Loads the demo catalogue, the demo shop and its users into a shop, through its gateway and the calls that everybody
//! uses.
//!
//! It may be run again at any time: calls that make something carry fixed request ids, and a role is given to whoever
//! lacks it only, so what is there already stays as it is.
#![expect(clippy::print_stdout, reason = "the accounts are what this program answers")]

mod catalogue;
mod load;
mod people;
mod progress;
mod retry;

use anyhow::{Context, Result};
use clap::Parser;
use tonic::transport::Endpoint;

use people::Credentials;

/// Loads the demo catalogue and the demo users into a shop.
#[derive(Parser)]
struct Args {
    /// Where the shop's gateway answers
    #[arg(long, env = "BOOKSTORE_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Who makes the demo seller a shop owner; the admin of a shop on this machine if not given
    #[arg(long, env = "BOOKSTORE_ADMIN_EMAIL", value_name = "EMAIL", hide_env_values = true)]
    admin_email: Option<String>,
    /// The admin's password
    #[arg(long, env = "BOOKSTORE_ADMIN_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    admin_password: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let demo = people::Demo::read()?;
    let admin = Credentials {
        email: args.admin_email.unwrap_or_else(|| demo.admin.email.clone()),
        password: args.admin_password.unwrap_or_else(|| demo.admin.password.clone()),
    };
    let gateway = Endpoint::from_shared(args.url.clone())
        .with_context(|| format!("`{}` is no address; one looks like http://127.0.0.1:8080", args.url))?;
    load::Shop::new(gateway.connect_lazy()).load(&demo, &admin, catalogue::read()?).await?;
    println!("{}", demo.table(&admin));
    Ok(())
}
