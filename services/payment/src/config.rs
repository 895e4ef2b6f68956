//! What the payment service is told from outside.

use std::{ops::RangeInclusive, time::Duration};

use clap::{Args, Parser};
use mesh::Target;
use server::config::duration_in;
use values::Currency;

/// A gateway needs a moment, and its customer an answer.
const PATIENCE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(1);
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(1);

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
    /// How cards are charged.
    #[command(flatten)]
    pub cards: Cards,
}

/// How cards are charged.
#[derive(Args, Clone, Copy, Debug)]
#[group(skip)]
pub struct Cards {
    /// How long the card gateway may take to answer.
    #[arg(
        long,
        env = "BOOKSTORE_CARD_PATIENCE",
        help = "how long the card gateway may take to answer: `3s`",
        default_value = "3s",
        value_parser = duration_in(PATIENCE)
    )]
    pub card_patience: Duration,
    /// The pause before a card gateway that didn't answer is asked again. It doubles each time, up to a minute.
    #[arg(
        long,
        env = "BOOKSTORE_CARD_PAUSE",
        help = "the pause before a card gateway that did not answer is asked again, at first: `1s`",
        default_value = "1s",
        value_parser = duration_in(PAUSE)
    )]
    pub card_pause: Duration,
}

impl Default for Cards {
    fn default() -> Self {
        Self { card_patience: Duration::from_secs(3), card_pause: Duration::from_secs(1) }
    }
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

    #[test]
    fn what_is_not_said_is_as_the_default_says() {
        #[derive(clap::Parser)]
        struct Alone {
            #[command(flatten)]
            cards: Cards,
        }
        let (said, default) = (Alone::parse_from(["payment"]).cards, Cards::default());
        assert_eq!((said.card_patience, said.card_pause), (default.card_patience, default.card_pause));
    }
}
