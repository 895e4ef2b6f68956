//! Sends what is to be told. Any number of replicas may.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use batch::{Batcher, SubmitError};
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
};
use sea_orm::{DatabaseConnection, DbErr};
use server::database;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    clients::Contact,
    domain::{letter::Letter, news::News},
    mailer::{Mailer, NotSent},
    metrics,
    store::sending::{self, Due},
    together::{Contacts, Sent},
};

/// How many are sent at a time.
const AT_ONCE: usize = 32;
/// Is there room for so many, or for all, the next ones are taken: together, not one by one.
const REFILL: usize = AT_ONCE / 2;
/// The longest delay between two attempts.
const LONGEST_DELAY: Duration = Duration::from_hours(1);
/// For how long a mail is tried: later than that it is no news any more.
const PATIENCE: Duration = Duration::from_hours(24);
/// Beyond the mail server's time, for all else that an attempt takes: asking identity has its own limit of two seconds.
const MARGIN: Duration = Duration::from_secs(5);
/// Between two tries to write down what became of an attempt.
const RECORD: Duration = Duration::from_millis(200);

/// What the sender works with.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) db: DatabaseConnection,
    pub(crate) contacts: Batcher<Contacts>,
    pub(crate) sent: Batcher<Sent>,
    pub(crate) mailer: Arc<Mailer>,
    pub(crate) from: Mailbox,
    /// Told when there is something to send.
    pub(crate) wake: Arc<Notify>,
    /// How long the mail server may take.
    pub(crate) timeout: Duration,
    /// The first delay between two attempts.
    pub(crate) retry: Duration,
    pub(crate) interval: Duration,
}

/// What became of an attempt.
enum Outcome {
    Sent,
    Failed(String),
    Later(String),
}

impl Sender {
    /// Sends until `stop`, then sees to the end what it has begun.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        // Whether more may wait than there was room for.
        let mut is_more = true;
        let mut is_failing = false;
        let mut tick = interval(self.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let room = AT_ONCE - under_way.len();
            if is_more && room >= REFILL {
                let taken = database::answered(sending::take(&self.db, 2 * self.timeout + MARGIN, room));
                match fault::around("notification.take.commit", taken).await {
                    Ok(taken) => {
                        is_failing = false;
                        is_more = taken.len() == room;
                        for due in taken {
                            under_way.spawn(self.clone().attempt(due, stop.clone()));
                        }
                    }
                    Err(error) => {
                        is_more = false;
                        // Once for an outage.
                        if !std::mem::replace(&mut is_failing, true) {
                            tracing::warn!(%error, "what is to be told can't be read; will try again");
                        }
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => is_more = true,
                _ = tick.tick() => {
                    is_more = true;
                    metrics::observe(&self.db).await;
                }
                Some(_) = under_way.join_next() => {}
            }
        }
        under_way.join_all().await;
    }

    async fn attempt(self, due: Due, stop: CancellationToken) {
        let span = tracing::info_span!(
            target: telemetry::ENTRY,
            "send",
            otel.name = format!("send {}", due.subject),
            delivery.id = %due.id,
            delivery.attempt = due.attempt,
        );
        telemetry::propagation::follow(&span, due.traceparent.as_deref());
        async {
            let outcome = self.tell(&due).await;
            self.record(&due, &outcome, &stop).await;
        }
        .instrument(span)
        .await;
    }

    async fn tell(&self, due: &Due) -> Outcome {
        // A replica of that release may tell it.
        let Some(news) = &due.news else {
            return Outcome::Later("another release wrote down what is to be told".to_owned());
        };
        let contact = match self.contacts.submit(due.user).await {
            Ok(Ok(Some(contact))) => contact,
            Ok(Ok(None)) => return Outcome::Failed("the user is gone".to_owned()),
            Ok(Err(status)) | Err(SubmitError::Failed(status)) => {
                let code = server::status::name(status.code());
                return Outcome::Later(format!("identity did not say where to write to: {code}"));
            }
            Err(error) => return Outcome::Later(format!("identity was not asked: {error}")),
        };
        let Ok(recipient) = Address::from_str(&contact.email) else {
            return Outcome::Failed("the user's address is none that mails can be sent to".to_owned());
        };
        let message = match self.message(due, news, &contact, recipient) {
            Ok(message) => message,
            Err(error) => return Outcome::Failed(format!("the mail can't be written: {error}")),
        };
        let span = tracing::info_span!(
            "mail",
            otel.name = "send mail",
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            network.protocol.name = "smtp",
        );
        let handing_over = self.mailer.hand_over(&message).instrument(span.clone());
        let handed_over = fault::around("mail.hand_over", handing_over).await;
        if handed_over.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        match handed_over {
            Ok(()) => Outcome::Sent,
            Err(NotSent::Refused(why)) => Outcome::Failed(why),
            Err(NotSent::Later(why)) => Outcome::Later(why),
        }
    }

    /// Whenever it is sent it is the same mail: same `Message-ID`, same `Date`.
    fn message(
        &self,
        due: &Due,
        news: &News,
        contact: &Contact,
        recipient: Address,
    ) -> Result<Message, lettre::error::Error> {
        let sender = self.from.name.as_deref().unwrap_or_default();
        let Letter { subject, text } = Letter::write(news, &contact.name, sender);
        // One encoding for all: no line is too long, no character lost on an old mail server.
        let encoding = ContentTransferEncoding::QuotedPrintable;
        let body =
            Body::new_with_encoding(text, encoding).map_err(|_| lettre::error::Error::NonAsciiChars)?;
        // RFC 3834: nobody's holiday notice is to answer.
        let automatic =
            HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(subject)
            .date(due.created_at.into())
            .message_id(Some(format!("<{}@{}>", due.id, self.from.email.domain())))
            .raw_header(automatic)
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
    }

    /// Writes down what became of an attempt. A database that is down for a moment is waited for: what isn't written down
    /// is sent again.
    async fn record(&self, due: &Due, outcome: &Outcome, stop: &CancellationToken) {
        match outcome {
            Outcome::Sent => {}
            Outcome::Failed(why) => tracing::warn!(delivery = %due.id, why, "a mail will not be sent"),
            Outcome::Later(why) => tracing::info!(delivery = %due.id, why, "a mail was not sent yet"),
        }
        while let Err(error) =
            fault::around("notification.record.commit", database::answered(self.try_record(due, outcome)))
                .await
        {
            let passes = database::is_down(&error) || database::is_conflict(&error);
            if !passes || stop.is_cancelled() {
                tracing::error!(delivery = %due.id, %error, "what became of a mail could not be written down");
                return;
            }
            sleep(RECORD).await;
        }
        metrics::attempted(match outcome {
            Outcome::Sent => "sent",
            Outcome::Failed(_) => "failed",
            Outcome::Later(_) => "postponed",
        });
    }

    async fn try_record(&self, due: &Due, outcome: &Outcome) -> Result<(), Arc<DbErr>> {
        let recorded = match outcome {
            Outcome::Sent => match self.sent.submit(due.id).await {
                Ok(()) => Ok(()),
                Err(SubmitError::Failed(error)) => return Err(error),
                // The batcher is ending, and we are not to end before this is written.
                Err(_) => sending::sent(&self.db, &[due.id]).await,
            },
            Outcome::Failed(why) => sending::failed(&self.db, due, why).await,
            Outcome::Later(why) => {
                let delay = delay(self.retry, due.attempt);
                sending::postponed(&self.db, due, why, delay, PATIENCE).await
            }
        };
        recorded.map_err(Arc::new)
    }
}

/// How long to wait after an attempt, counted from 1.
fn delay(first: Duration, attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or_default().min(20);
    first.saturating_mul(1 << doublings).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_an_hour() {
        let first = Duration::from_secs(10);
        assert_eq!([1, 2, 5].map(|attempt| delay(first, attempt).as_secs()), [10, 20, 160]);
        assert_eq!(delay(first, 10), LONGEST_DELAY);
        assert_eq!(delay(first, i32::MAX), LONGEST_DELAY);
    }
}
