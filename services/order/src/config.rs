use std::{ops::RangeInclusive, time::Duration};

use clap::Parser;
use mesh::Target;
use server::config::duration_in;

/// Payment needs a moment, and the customer an answer.
const PAYMENT_DEADLINE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// Without a pause the sweeper would keep a connection and a core busy.
const SWEEP_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);

/// What the order service is told from outside.
#[derive(Clone, Debug, Parser)]
#[command(name = "order", version, about = "Orders, from placing to their end")]
pub struct Config {
    /// What every service is told.
    #[command(flatten)]
    pub server: server::Config,
    /// Where identity answers, which knows addresses and says whose tokens are valid.
    #[arg(
        long,
        env = "BOOKSTORE_IDENTITY_TARGET",
        help = "where identity answers: `ipv4:127.0.0.1:50051`",
        default_value = "ipv4:127.0.0.1:50051"
    )]
    pub identity_target: Target,
    /// Where inventory answers, which sets stock aside.
    #[arg(
        long,
        env = "BOOKSTORE_INVENTORY_TARGET",
        help = "where inventory answers: `ipv4:127.0.0.1:50052`",
        default_value = "ipv4:127.0.0.1:50052"
    )]
    pub inventory_target: Target,
    /// How long a payment may take, counted from the moment it was first asked for over the broker. Time without the
    /// broker doesn't count: after it, and after a start, it is counted anew.
    #[arg(
        long,
        env = "BOOKSTORE_PAYMENT_DEADLINE",
        help = "how long a payment may take before its order is cancelled: `2m`",
        default_value = "2m",
        value_parser = duration_in(PAYMENT_DEADLINE)
    )]
    pub payment_deadline: Duration,
    /// How often orders that wait for something are looked for.
    #[arg(
        long,
        env = "BOOKSTORE_SWEEP_INTERVAL",
        help = "how often orders that wait for something are looked for: `1s`",
        default_value = "1s",
        value_parser = duration_in(SWEEP_INTERVAL)
    )]
    pub sweep_interval: Duration,
}

impl AsRef<server::Config> for Config {
    fn as_ref(&self) -> &server::Config {
        &self.server
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Config::command().debug_assert();
    }

    #[test]
    fn a_sweep_needs_a_pause_and_a_payment_a_moment() {
        for (flag, value) in [("--sweep-interval", "1ns"), ("--payment-deadline", "0s")] {
            let refused = Config::command().try_get_matches_from(["order", flag, value]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ValueValidation, "{flag} {value}");
        }
    }
}
