//! How limits are configured.

use clap::{Args, value_parser};

use super::Rate;

/// What one caller may ask for. A caller is the user of a valid access token, and without one the address: an IPv4
/// address, or the 64 bits of an IPv6 address that name the network.
#[derive(Args, Clone, Copy, Debug)]
#[group(skip)]
pub struct Limits {
    /// Calls a second of one user.
    #[arg(
        long,
        env = "BOOKSTORE_USER_RATE",
        help = "how many calls a second one user may make",
        default_value_t = 500,
        value_parser = value_parser!(u32).range(1..=1_000_000)
    )]
    pub user_rate: u32,
    /// Calls at once of one user after a pause.
    #[arg(
        long,
        env = "BOOKSTORE_USER_BURST",
        help = "how many calls one user may make in a moment after a pause",
        default_value_t = 1000,
        value_parser = value_parser!(u32).range(1..=1_000_000)
    )]
    pub user_burst: u32,
    /// Calls a second from one address, of nobody who is signed in.
    #[arg(
        long,
        env = "BOOKSTORE_ADDRESS_RATE",
        help = "how many calls a second may come from one address without a valid access token",
        default_value_t = 500,
        value_parser = value_parser!(u32).range(1..=1_000_000)
    )]
    pub address_rate: u32,
    /// Calls at once from one address after a pause.
    #[arg(
        long,
        env = "BOOKSTORE_ADDRESS_BURST",
        help = "how many calls may come from one address in a moment after a pause",
        default_value_t = 1000,
        value_parser = value_parser!(u32).range(1..=1_000_000)
    )]
    pub address_burst: u32,
    /// Sign-ins, registrations and changes of an account that take its password, a second from one address.
    #[arg(
        long,
        env = "BOOKSTORE_SIGN_IN_RATE",
        help = "how many sign-ins, registrations and changes of accounts a second may come from one address",
        default_value_t = 5,
        value_parser = value_parser!(u32).range(1..=1_000_000)
    )]
    pub sign_in_rate: u32,
    /// The same at once from one address after a pause.
    #[arg(
        long,
        env = "BOOKSTORE_SIGN_IN_BURST",
        help = "how many of these may come from one address in a moment after a pause",
        default_value_t = 30,
        value_parser = value_parser!(u32).range(1..=1_000_000)
    )]
    pub sign_in_burst: u32,
    /// Calls of one caller that may be under way at once, streams among them. The default is an eighth of those that are
    /// answered at once, so that it takes several to keep everybody else out.
    #[arg(
        long,
        env = "BOOKSTORE_CALLS_PER_CALLER",
        help = "how many calls of one caller may be under way at once, streams among them",
        default_value_t = 128,
        value_parser = at_least_one
    )]
    pub calls_at_once: usize,
}

impl Limits {
    pub(super) const fn user(&self) -> Rate {
        Rate { per_second: self.user_rate, burst: self.user_burst }
    }

    pub(super) const fn address(&self) -> Rate {
        Rate { per_second: self.address_rate, burst: self.address_burst }
    }

    pub(super) const fn sign_in(&self) -> Rate {
        Rate { per_second: self.sign_in_rate, burst: self.sign_in_burst }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("must be a whole number".to_owned()),
    }
}
