//! What every process is configured with, and how configuration is read.
//!
//! Everything is an environment variable, and a flag of the same name. A variable's value may also stand in a file that
//! `<VARIABLE>_FILE` names, as Kubernetes mounts secrets; secrets are refused on the command line, which every process
//! of the machine may read.

mod base;
mod read;
#[cfg(test)]
mod tests;

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::Args;
use sea_orm::sqlx::postgres::PgConnectOptions;
use secrecy::SecretString;

pub use base::{Base, LogFormat, Mesh};
pub(crate) use read::{Refused, read};

/// What every service with a database is configured with. Flattened into each service's own configuration.
#[derive(Args, Clone, Debug)]
// The derived group would be called like that of the configuration this is flattened into.
#[group(skip)]
pub struct Config {
    /// What every process is configured with.
    #[command(flatten)]
    pub base: Base,
    /// The service's own database.
    #[arg(
        long,
        env = "BOOKSTORE_DATABASE_URL",
        help = "the Postgres URL of this service's database",
        hide_env_values = true,
        value_parser = database_url
    )]
    pub database_url: SecretString,
    /// Connections to the database at most.
    #[arg(
        long,
        env = "BOOKSTORE_DATABASE_POOL",
        help = "how many connections to the database there are at most",
        default_value_t = Config::DATABASE_POOL,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub database_pool: u32,
    /// The broker; its URL may carry a password.
    #[arg(
        long,
        env = "BOOKSTORE_NATS_URL",
        help = "the URL of the NATS server: nats://127.0.0.1:4222, tls://user:password@nats.example:4222",
        hide_env_values = true,
        value_parser = nats_url
    )]
    pub nats_url: SecretString,
    /// Whose certificates of brokers are believed; with it, nothing is said without TLS.
    #[arg(
        long,
        env = "BOOKSTORE_NATS_ROOTS",
        help = "the PEM file with the authorities that sign the NATS server's certificate; connections need TLS then",
        value_parser = base::path
    )]
    pub nats_roots: Option<PathBuf>,
    /// How many NATS servers keep a copy of this service's stream.
    #[arg(
        long,
        env = "BOOKSTORE_STREAM_REPLICAS",
        help = "how many NATS servers keep a copy of this service's stream, when it is made: 1, 3 or 5",
        default_value_t = 1,
        value_parser = stream_replicas
    )]
    pub stream_replicas: usize,
}

impl Config {
    /// All are made before the replica is ready. With 16 there were as many orders a second, and a machine that stalled was
    /// asked for new sessions by all who waited, each at the price of a hundred statements.
    const DATABASE_POOL: u32 = 8;

    /// The usual configuration around what has no default, for processes that are configured by a program.
    #[must_use]
    pub fn new(
        database_url: impl Into<SecretString>,
        nats_url: impl Into<SecretString>,
        tls: tls::Files,
    ) -> Self {
        Self {
            base: Base::new(tls),
            database_url: database_url.into(),
            database_pool: Self::DATABASE_POOL,
            nats_url: nats_url.into(),
            nats_roots: None,
            stream_replicas: 1,
        }
    }
}

impl AsRef<Self> for Config {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsRef<Base> for Config {
    fn as_ref(&self) -> &Base {
        &self.base
    }
}

/// Reads `15m`, `2s`, `500ms` within a range; for the `value_parser` of durations.
pub fn duration_in(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let [least, most] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
        Err(format!("must be {least} to {most}"))
    }
}

fn database_url(text: &str) -> Result<SecretString, &'static str> {
    let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if !is_postgres || text.parse::<PgConnectOptions>().is_err() {
        return Err("must be a URL like postgres://user:password@host:5432/database");
    }
    Ok(text.into())
}

fn nats_url(text: &str) -> Result<SecretString, &'static str> {
    match text.parse::<async_nats::ServerAddr>() {
        Ok(_) => Ok(text.into()),
        Err(_) => Err("must be a URL like nats://127.0.0.1:4222"),
    }
}

fn stream_replicas(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|replicas| [1, 3, 5].contains(replicas)).ok_or("must be 1, 3 or 5")
}
