//! What the notification service is told from outside.

use std::{ops::RangeInclusive, time::Duration};

use clap::Parser;
use lettre::message::Mailbox;
use mesh::Target;
use secrecy::SecretString;
use server::config::duration_in;

pub use relay::{Encryption, MailRelay, Outgoing};

mod relay;

/// Mail servers take their time (RFC 5321, section 4.5.3.2), our customers' patience ends earlier.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(10);
/// Without a pause a mail server that is down would be asked all the time.
const RETRY: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);
/// Without a pause the sender would keep a connection and a core busy.
const SWEEP_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);

/// What the notification service is told from outside.
#[derive(Clone, Debug, Parser)]
#[command(name = "notification", version, about = "E-mails about what happened")]
pub struct Config {
    /// What every service is told.
    #[command(flatten)]
    pub server: server::Config,
    /// Where identity answers, which knows whom to write to and says whose tokens are valid.
    #[arg(
        long,
        env = "BOOKSTORE_IDENTITY_TARGET",
        help = "where identity answers: `ipv4:127.0.0.1:50051`",
        default_value = "ipv4:127.0.0.1:50051"
    )]
    pub identity_target: Target,
    /// The mail server that takes our mails and passes them on.
    #[arg(
        long,
        env = "BOOKSTORE_SMTP_URL",
        help = "the mail server: `smtps://host:465`, `smtp://host:587?tls=required`, `smtp://host:25` unencrypted; `discard:` sends nothing"
    )]
    pub smtp_url: Outgoing,
    /// Who we are to the mail server, if it asks.
    #[arg(
        long,
        env = "BOOKSTORE_SMTP_USER",
        help = "the account at the mail server, if it wants one",
        requires = "smtp_password"
    )]
    pub smtp_user: Option<String>,
    /// Goes with the account.
    #[arg(
        long,
        env = "BOOKSTORE_SMTP_PASSWORD",
        help = "the password of the account at the mail server",
        hide_env_values = true,
        requires = "smtp_user"
    )]
    pub smtp_password: Option<SecretString>,
    /// Whom mails come from. Its domain stands in their `Message-ID`s.
    #[arg(
        long,
        env = "BOOKSTORE_MAIL_FROM",
        help = "whom mails come from: `The Bookstore <shop@bookstore.example>`"
    )]
    pub mail_from: Mailbox,
    /// How long handing over a mail may take.
    #[arg(
        long,
        env = "BOOKSTORE_MAIL_TIMEOUT",
        help = "how long the mail server may take to accept a mail: `30s`",
        default_value = "30s",
        value_parser = duration_in(TIMEOUT)
    )]
    pub mail_timeout: Duration,
    /// After how long a mail that could not be handed over is tried again; doubled each time, up to an hour.
    #[arg(
        long,
        env = "BOOKSTORE_MAIL_RETRY",
        help = "after how long a mail that could not be handed over is tried again, doubled each time: `10s`",
        default_value = "10s",
        value_parser = duration_in(RETRY)
    )]
    pub mail_retry: Duration,
    /// How often mails are looked for whose time has come.
    #[arg(
        long,
        env = "BOOKSTORE_SWEEP_INTERVAL",
        help = "how often mails are looked for whose time has come: `1s`",
        default_value = "1s",
        value_parser = duration_in(SWEEP_INTERVAL)
    )]
    pub sweep_interval: Duration,
}

impl Config {
    /// The usual configuration around what has no default, for processes that are configured by a program.
    #[must_use]
    pub fn new(
        server: server::Config,
        identity_target: Target,
        smtp_url: Outgoing,
        mail_from: Mailbox,
    ) -> Self {
        Self {
            server,
            identity_target,
            smtp_url,
            smtp_user: None,
            smtp_password: None,
            mail_from,
            mail_timeout: Duration::from_secs(30),
            mail_retry: Duration::from_secs(10),
            sweep_interval: Duration::from_secs(1),
        }
    }
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
    fn what_is_no_mail_server_and_no_sender_is_refused() {
        for (flag, value) in [
            ("--smtp-url", "http://localhost"),
            ("--mail-from", "the shop"),
            ("--mail-from", "Shop <shop@bookstore.example>\r\nBcc: eve@example.org"),
            ("--mail-timeout", "1ms"),
            ("--mail-retry", "1ns"),
            ("--sweep-interval", "0s"),
        ] {
            let refused = Config::command().try_get_matches_from(["notification", flag, value]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ValueValidation, "{flag} {value}");
        }
    }
}
