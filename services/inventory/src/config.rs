use std::time::Duration;

use clap::Parser;
use mesh::Target;

/// What the inventory service is told from outside.
#[derive(Clone, Debug, Parser)]
#[command(name = "inventory", version, about = "Shops, books, prices, stock and reservations of stock")]
pub struct Config {
    /// What every service is told.
    #[command(flatten)]
    pub server: server::Config,
    /// Where identity answers, which says whose tokens are valid.
    #[arg(long, env = "BOOKSTORE_IDENTITY_TARGET", default_value = "ipv4:127.0.0.1:50051")]
    pub identity_target: Target,
    /// How long stock stays reserved for an order that isn't paid.
    #[arg(long, env = "BOOKSTORE_RESERVATION_TTL", default_value = "15m", value_parser = server::config::duration)]
    pub reservation_ttl: Duration,
    /// How often reservations whose time is up are looked for.
    #[arg(long, env = "BOOKSTORE_SWEEP_INTERVAL", default_value = "1s", value_parser = server::config::duration)]
    pub sweep_interval: Duration,
}

impl AsRef<server::Config> for Config {
    fn as_ref(&self) -> &server::Config {
        &self.server
    }
}
