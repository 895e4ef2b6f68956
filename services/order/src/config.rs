use std::time::Duration;

use clap::Parser;
use mesh::Target;

/// What the order service is told from outside.
#[derive(Clone, Debug, Parser)]
#[command(name = "order", version, about = "Orders, from placing to their end")]
pub struct Config {
    /// What every service is told.
    #[command(flatten)]
    pub server: server::Config,
    /// Where identity answers, which knows addresses and says whose tokens are valid.
    #[arg(long, env = "BOOKSTORE_IDENTITY_TARGET", default_value = "ipv4:127.0.0.1:50051")]
    pub identity_target: Target,
    /// Where inventory answers, which sets stock aside.
    #[arg(long, env = "BOOKSTORE_INVENTORY_TARGET", default_value = "ipv4:127.0.0.1:50052")]
    pub inventory_target: Target,
    /// How long a payment may take, counted from the moment it was first asked for over the broker.
    #[arg(long, env = "BOOKSTORE_PAYMENT_DEADLINE", default_value = "2m", value_parser = server::config::duration)]
    pub payment_deadline: Duration,
    /// How often orders that wait for something are looked for.
    #[arg(long, env = "BOOKSTORE_SWEEP_INTERVAL", default_value = "1s", value_parser = interval)]
    pub sweep_interval: Duration,
}

impl AsRef<server::Config> for Config {
    fn as_ref(&self) -> &server::Config {
        &self.server
    }
}

/// Without a pause the sweeper would keep a connection and a core busy.
fn interval(text: &str) -> Result<Duration, String> {
    match server::config::duration(text) {
        Ok(interval) if interval < Duration::from_millis(10) => Err("must be at least 10ms".to_owned()),
        Ok(interval) => Ok(interval),
        Err(error) => Err(error.to_string()),
    }
}
