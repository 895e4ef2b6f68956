use std::{ops::RangeInclusive, time::Duration};

use clap::Parser;
use mesh::Target;
use server::config::duration_in;

/// Stock that nobody pays for must come back.
const RESERVATION_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// Without a pause the sweeper would keep a connection and a core busy.
const SWEEP_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);

/// What the inventory service is told from outside.
#[derive(Clone, Debug, Parser)]
#[command(name = "inventory", version, about = "Shops, books, prices, stock and reservations of stock")]
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
    /// How long stock stays reserved for an order that isn't paid.
    #[arg(
        long,
        env = "BOOKSTORE_RESERVATION_TTL",
        help = "how long stock stays reserved for an order that isn't paid: `15m`",
        default_value = "15m",
        value_parser = duration_in(RESERVATION_TTL)
    )]
    pub reservation_ttl: Duration,
    /// How often reservations whose time is up are looked for.
    #[arg(
        long,
        env = "BOOKSTORE_SWEEP_INTERVAL",
        help = "how often reservations whose time is up are looked for: `1s`",
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
    fn a_sweep_needs_a_pause_and_a_reservation_a_moment() {
        for (flag, value) in [("--sweep-interval", "1ns"), ("--reservation-ttl", "0s")] {
            let refused = Config::command().try_get_matches_from(["inventory", flag, value]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ValueValidation, "{flag} {value}");
        }
    }
}
