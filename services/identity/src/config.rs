mod first_admin;

use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

use auth::{AccessToken, SigningKey, SigningKeyError};
use clap::Parser;
use server::config::duration_in;

use crate::signing_keys::LEAD;

pub(crate) use first_admin::Account;
pub use first_admin::FirstAdmin;

const REFRESH_TOKEN_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
const TOKEN_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=AccessToken::LONGEST;

const SIGNING_KEY_PERIOD: RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(365 * 24);

/// What identity is configured with.
#[derive(Parser, Clone, Debug)]
#[command(name = "identity", about = "Users, their credentials and their addresses")]
pub struct Config {
    /// What every service is configured with.
    #[command(flatten)]
    pub server: server::Config,
    /// Signs access tokens at first, and keeps the keys secret that do so later.
    #[arg(
        long,
        env = "BOOKSTORE_SIGNING_KEY",
        help = "the first Ed25519 key that signs access tokens, and what later ones are encrypted with, as PKCS#8 PEM",
        hide_env_values = true,
        value_parser = signing_key
    )]
    pub signing_key: SigningKey,
    /// How old a key gets before the next one takes its place.
    #[arg(
        long,
        env = "BOOKSTORE_SIGNING_KEY_PERIOD",
        help = "how old a key that signs access tokens gets before the next one takes its place: `30d`",
        default_value = "30d",
        value_parser = duration_in(SIGNING_KEY_PERIOD)
    )]
    pub signing_key_period: Duration,
    /// How long a new key is served before it signs; tests are in a hurry.
    #[arg(skip = LEAD)]
    pub signing_key_lead: Duration,
    /// How long an access token is valid.
    #[arg(
        long,
        env = "BOOKSTORE_TOKEN_TTL",
        help = "how long an access token is valid: `15m`",
        default_value = "15m",
        value_parser = duration_in(TOKEN_TTL)
    )]
    pub token_ttl: Duration,
    /// How long a refresh token is valid: a session that isn't gone on with for longer ends.
    #[arg(
        long,
        env = "BOOKSTORE_REFRESH_TOKEN_TTL",
        help = "how long a refresh token is valid, so how long a session lasts that nobody uses: `30d`",
        default_value = "30d",
        value_parser = duration_in(REFRESH_TOKEN_TTL)
    )]
    pub refresh_token_ttl: Duration,
    /// How many passwords are hashed at once.
    #[arg(
        long,
        env = "BOOKSTORE_PASSWORD_HASHES",
        help = "how many passwords are hashed at once; each takes a core and 19 MiB",
        default_value_t = cores()
    )]
    pub password_hashes: NonZeroU16,
    /// Who becomes admin while there is none.
    #[command(flatten)]
    pub first_admin: FirstAdmin,
}

impl Config {
    /// The usual configuration around what has no default, for processes that are configured by a program.
    #[must_use]
    pub fn new(server: server::Config, signing_key: SigningKey) -> Self {
        Self {
            server,
            signing_key,
            signing_key_period: Duration::from_hours(30 * 24),
            signing_key_lead: LEAD,
            token_ttl: AccessToken::LONGEST,
            refresh_token_ttl: Duration::from_hours(30 * 24),
            password_hashes: cores(),
            first_admin: FirstAdmin::default(),
        }
    }
}

impl AsRef<server::Config> for Config {
    fn as_ref(&self) -> &server::Config {
        &self.server
    }
}

fn cores() -> NonZeroU16 {
    let cores = std::thread::available_parallelism().ok().and_then(|cores| cores.try_into().ok());
    cores.unwrap_or(NonZeroU16::MIN)
}

fn signing_key(pem: &str) -> Result<SigningKey, SigningKeyError> {
    SigningKey::from_pem(&pem.into())
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
