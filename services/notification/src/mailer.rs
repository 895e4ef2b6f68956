//! Hands mails to the mail server.

use std::{
    error::Error as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lettre::{
    Address, Message,
    message::Mailbox,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout};

use crate::config::{Config, Encryption, MailRelay, Outgoing};

/// Mail servers hang up on those who are silent for minutes (RFC 5321, section 4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(30);
/// For a goodbye whose answer changes nothing.
const GOODBYE: Duration = Duration::from_secs(1);

/// Hands mails to the mail server, over connections that are used again.
pub(crate) struct Mailer {
    relay: Outgoing,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    sender: Address,
    patience: Duration,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// Why a mail server can't be used as configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailerError {
    #[error(
        "BOOKSTORE_SMTP_URL is wrong: with an account it must be `smtps://…` or `…?tls=required`, so that nobody \
         reads the password"
    )]
    Exposed,
    #[error("no TLS to the mail server: {0}")]
    Tls(#[from] SmtpError),
}

/// Why a mail was not handed over. Without what the mail server says, which names the recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    /// It never will be.
    #[error("{0}")]
    Refused(String),
    /// Another time it may be; or it was, and nobody knows.
    #[error("{0}")]
    Later(String),
}

impl Mailer {
    pub(crate) fn new(config: &Config) -> Result<Self, MailerError> {
        let credentials = config.smtp_user.clone().zip(config.smtp_password.as_ref());
        let tls = match &config.smtp_url {
            Outgoing::Relay(relay) if relay.encryption != Encryption::None => {
                Some(TlsParameters::new(relay.host.clone())?)
            }
            Outgoing::Relay(_) if credentials.is_some() => return Err(MailerError::Exposed),
            Outgoing::Relay(_) => None,
            Outgoing::Discarded => {
                tracing::warn!("mails are discarded: BOOKSTORE_SMTP_URL is `discard:`");
                None
            }
        };
        let Mailbox { email: sender, .. } = config.mail_from.clone();
        Ok(Self {
            relay: config.smtp_url.clone(),
            tls,
            credentials: credentials
                .map(|(user, password)| Credentials::new(user, password.expose_secret().to_owned())),
            hello: ClientId::Domain(sender.domain().to_owned()),
            sender,
            patience: config.mail_timeout,
            idle: Mutex::default(),
        })
    }

    /// Hands a mail over. Whatever fails after its text has left may have been handed over all the same.
    pub(crate) async fn hand_over(&self, message: &Message) -> Result<(), NotSent> {
        let Outgoing::Relay(relay) = &self.relay else { return Ok(()) };
        let outcome = timeout(self.patience, async {
            let mut connection = self.connection(relay).await?;
            let outcome = self.converse(&mut connection, message).await;
            Ok((connection, outcome))
        });
        let (mut connection, outcome) = outcome
            .await
            .map_err(|_| NotSent::Later("the mail server did not answer in time".to_owned()))??;
        if outcome.is_ok() {
            self.idle().push((connection, Instant::now()));
        } else {
            // A mail that was begun is not to be a part of the next one.
            let _ = timeout(GOODBYE, connection.abort()).await;
        }
        outcome
    }

    async fn connection(&self, relay: &MailRelay) -> Result<AsyncSmtpConnection, NotSent> {
        loop {
            let idle = self.idle().pop();
            let Some((mut connection, since)) = idle else { break };
            if since.elapsed() < IDLE && connection.test_connected().await {
                return Ok(connection);
            }
        }
        self.connect(relay).await.map_err(|error| {
            // Nobody has been named yet, so that the cause may be; but not what cannot be read: it may be anything.
            let cause = error.source().filter(|_| error.status().is_none() && !error.is_response());
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            NotSent::Later(format!("the mail server {}{cause}", said(&error)))
        })
    }

    async fn connect(&self, relay: &MailRelay) -> Result<AsyncSmtpConnection, SmtpError> {
        let at = (relay.host.as_str(), relay.port);
        let at_once = self.tls.clone().filter(|_| relay.encryption == Encryption::Tls);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(at, Some(self.patience), &self.hello, at_once, None).await?;
        if let (Encryption::StartTls, Some(tls)) = (relay.encryption, &self.tls) {
            // Fails where it isn't offered: then nothing is sent.
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// Only what is said to the recipient and to the text itself is about this mail; all else is between the mail server
    /// and us, and passes once somebody has looked after it.
    async fn converse(&self, connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), NotSent> {
        let later = |error: SmtpError| NotSent::Later(format!("the mail server {}", said(&error)));
        let envelope = message.envelope();
        let text = message.formatted();
        let mut parameters = Vec::new();
        // The text itself is encoded as ASCII; addresses stay as their owners write them (RFC 6531).
        if !text.is_ascii() || envelope.to().iter().any(|address| !address.to_string().is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(NotSent::Refused("the mail server takes no such address".to_owned()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        connection.command(Mail::new(Some(self.sender.clone()), parameters)).await.map_err(later)?;
        for recipient in envelope.to() {
            let told = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
            told.map_err(|error| refused_or_later("the recipient", &error))?;
        }
        connection.command(Data).await.map_err(later)?;
        let told = connection.message(&text).await;
        told.map_err(|error| refused_or_later("the mail", &error))?;
        Ok(())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands a mail over as configured, and says what became of it.
///
/// # Errors
/// Why it wasn't handed over.
pub async fn hand_over(config: &Config, message: &Message) -> Result<(), String> {
    let mailer = Mailer::new(config).map_err(|error| error.to_string())?;
    mailer.hand_over(message).await.map_err(|error| error.to_string())
}

fn refused_or_later(what: &str, error: &SmtpError) -> NotSent {
    match error.status() {
        Some(code) if error.is_permanent() => {
            NotSent::Refused(format!("the mail server refused {what}: {code}"))
        }
        Some(code) => NotSent::Later(format!("the mail server did not take {what} yet: {code}")),
        None => NotSent::Later(format!("the mail server {}", said(error))),
    }
}

/// What went wrong, in words of ours.
fn said(error: &SmtpError) -> String {
    match error.status() {
        Some(code) => format!("answered {code}"),
        None if error.is_timeout() => "did not answer in time".to_owned(),
        None if error.is_tls() => "has no TLS that we accept".to_owned(),
        None if error.is_client() => "can't do what it is asked for".to_owned(),
        None if error.is_response() => "hung up, or answered nonsense".to_owned(),
        None => "can't be reached".to_owned(),
    }
}
