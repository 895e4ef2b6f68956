//! What the payment service is told from outside.

use clap::Parser;
use mesh::Target;
use values::Currency;

/// What the payment service is told from outside.
#[derive(Clone, Debug, Parser)]
#[command(name = "payment", version, about = "Wallets, the ledger behind them, and the payments of orders")]
// The derived group would be called like that of the configuration flattened into it.
#[group(skip)]
pub struct Config {
    /// What every service is told.
    #[command(flatten)]
    pub server: server::Config,
    /// Where identity answers, which says whose tokens are valid.
    #[arg(
        long,
        env = "BOOKSTORE_IDENTITY_TARGET",
        help = "where identity answers: `ipv4:127.0.0.1:50051`",
        default_value = "ipv4:127.0.0.1:50051"
    )]
    pub identity_target: Target,
    /// Currency of the wallet that every user has, ISO 4217.
    #[arg(
        long,
        env = "BOOKSTORE_CURRENCY",
        help = "the currency of the wallet that every user has, as its ISO 4217 code",
        default_value = "EUR"
    )]
    pub currency: Currency,
}

impl AsRef<server::Config> for Config {
    fn as_ref(&self) -> &server::Config {
        &self.server
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Config::command().debug_assert();
    }
}
