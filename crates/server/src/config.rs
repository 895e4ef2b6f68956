//! What every service is configured with, and how configuration is read.
//!
//! Everything is an environment variable, and a flag of the same name. A variable's value may also stand in a file that
//! `<VARIABLE>_FILE` names, as Kubernetes mounts secrets; secrets are refused on the command line, which every process
//! of the machine may read.

mod read;
#[cfg(test)]
mod tests;

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use clap::Args;
use sea_orm::sqlx::postgres::PgConnectOptions;
use secrecy::SecretString;

pub(crate) use read::{Refused, read};

/// No platform waits longer for a process to end.
const LONGEST_STOP: Duration = Duration::from_hours(1);

/// What every service is configured with. Flattened into each service's own configuration.
#[derive(Args, Clone, Debug)]
// The derived group would be called like that of the configuration this is flattened into.
#[group(skip)]
pub struct Config {
    /// Where gRPC is answered.
    #[arg(
        long,
        env = "BOOKSTORE_LISTEN",
        help = "the address that answers gRPC",
        default_value = "0.0.0.0:0"
    )]
    pub listen: SocketAddr,
    /// Where health, readiness, metrics and version are answered.
    #[arg(
        long,
        env = "BOOKSTORE_ADMIN_LISTEN",
        help = "the address that answers health, readiness, metrics and version",
        default_value = "0.0.0.0:0"
    )]
    pub admin_listen: SocketAddr,
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
        help = "the URL of the NATS server: nats://127.0.0.1:4222",
        hide_env_values = true,
        value_parser = nats_url
    )]
    pub nats_url: SecretString,
    /// How many NATS servers keep a copy of this service's stream.
    #[arg(
        long,
        env = "BOOKSTORE_STREAM_REPLICAS",
        help = "how many NATS servers keep a copy of this service's stream, when it is made: 1, 3 or 5",
        default_value_t = 1,
        value_parser = stream_replicas
    )]
    pub stream_replicas: usize,
    /// What the shop's services show each other.
    #[arg(
        long,
        env = "BOOKSTORE_PEER_SECRET",
        help = "the secret that the shop's services share, at least 32 characters",
        hide_env_values = true,
        value_parser = peer_secret
    )]
    pub peer_secret: SecretString,
    /// Which log lines are written.
    #[arg(
        long,
        env = "BOOKSTORE_LOG",
        help = "which log lines are written: `info`, `info,order=debug`",
        default_value = "info"
    )]
    pub log: String,
    /// Log lines for machines or for people.
    #[arg(
        long,
        env = "BOOKSTORE_LOG_FORMAT",
        help = "whether log lines are for machines or for people",
        default_value = "json"
    )]
    pub log_format: LogFormat,
    /// Where traces and metrics are sent.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        help = "where traces and metrics go over OTLP/gRPC: http://localhost:4317; nowhere if not set"
    )]
    pub otlp_endpoint: Option<String>,
    /// How long calls that are under way at a stop may still take.
    #[arg(
        long,
        env = "BOOKSTORE_STOP_GRACE",
        help = "how long calls that are under way at a stop may take: `20s`",
        default_value = "20s",
        value_parser = duration_in(Duration::ZERO..=LONGEST_STOP)
    )]
    pub stop_grace: Duration,
    /// How long calls are still accepted after readiness ended.
    #[arg(
        long,
        env = "BOOKSTORE_ENDPOINT_PROPAGATION",
        help = "how long calls are accepted after readiness ended, until every client knows: `5s`",
        default_value = "0s",
        value_parser = duration_in(Duration::ZERO..=LONGEST_STOP)
    )]
    pub endpoint_propagation: Duration,
}

/// How log lines are written.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

impl Config {
    const DATABASE_POOL: u32 = 16;
    const STOP_GRACE: Duration = Duration::from_secs(20);

    /// The usual configuration around what has no default, for processes that are configured by a program.
    #[must_use]
    pub fn new(
        database_url: impl Into<SecretString>,
        nats_url: impl Into<SecretString>,
        peer_secret: impl Into<SecretString>,
    ) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: anywhere,
            admin_listen: anywhere,
            database_url: database_url.into(),
            database_pool: Self::DATABASE_POOL,
            nats_url: nats_url.into(),
            stream_replicas: 1,
            peer_secret: peer_secret.into(),
            log: "info".to_owned(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            stop_grace: Self::STOP_GRACE,
            endpoint_propagation: Duration::ZERO,
        }
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

fn peer_secret(text: &str) -> Result<SecretString, String> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be printable ASCII without blanks".to_owned());
    }
    let secret = SecretString::from(text);
    auth::PeerSecret::try_from(secret.clone()).map_err(|error| error.to_string())?;
    Ok(secret)
}
