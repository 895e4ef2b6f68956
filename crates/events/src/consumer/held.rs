use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, HeaderMap, HeaderName, HeaderValue, Message,
    jetstream::{self, AckKind},
};
use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{DeadLetter, Reconnects, connection::is_connected};

/// How long what is said to the broker may wait for the connection's buffer.
const PATIENCE: Duration = Duration::from_secs(1);

/// One connection's time with one durable consumer.
///
/// An acknowledgement names a place in the stream. After a reconnect the stream may have been rolled back and another
/// message may lie there, which must not be acknowledged unseen: what was held before is left to be delivered again.
#[derive(Debug)]
pub(crate) struct Session {
    nats: Client,
    reconnects: Reconnects,
    connection: u64,
    is_over: AtomicBool,
}

impl Session {
    pub(crate) fn new(nats: &Client, reconnects: &Reconnects) -> Self {
        Self {
            nats: nats.clone(),
            reconnects: reconnects.clone(),
            connection: reconnects.count(),
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Whether the broker would hear now, and take it for what it is.
    pub(crate) fn is_live(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed) && self.is_connected() && is_connected(&self.nats)
    }

    /// Whether the connection is still the same one, as far as is known.
    pub(crate) fn is_connected(&self) -> bool {
        self.reconnects.count() == self.connection
    }

    /// Waits until what the broker was told has left this process: otherwise it would be lost with the client's last
    /// handle, and what it was about come again only after the consumer's `ack_wait`.
    pub(crate) async fn flush(&self) {
        if self.is_live() {
            let _ = timeout(PATIENCE, self.nats.flush()).await;
        }
    }
}

/// A message that the broker has given us and waits to hear of; or a dead letter, which nobody waits for.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    message: Message,
    session: Option<Arc<Session>>,
    deliveries: i64,
    /// The place in the stream, and when it was put there: unique without any header.
    place: (u64, u64),
}

impl Held {
    pub(crate) fn new(message: jetstream::Message, session: Arc<Session>) -> Result<Self, async_nats::Error> {
        let info = message.info()?;
        let published = info.published.unix_timestamp_nanos();
        let place = (info.stream_sequence, u64::try_from(published).unwrap_or_default());
        let deliveries = info.delivered;
        Ok(Self { message: message.message, session: Some(session), deliveries, place })
    }

    /// What was given up, as it came.
    pub(crate) fn again(letter: &DeadLetter) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in &letter.headers {
            // Both were a message's.
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                headers.insert(name, value);
            }
        }
        Self::loose(&letter.subject, headers, letter.payload.clone(), letter.attempts.into())
    }

    /// What lies in no stream.
    pub(crate) fn loose(subject: &str, headers: HeaderMap, payload: Vec<u8>, deliveries: i64) -> Self {
        let message = Message {
            subject: subject.into(),
            reply: None,
            length: payload.len(),
            payload: payload.into(),
            headers: Some(headers),
            status: None,
            description: None,
        };
        Self { message, session: None, deliveries, place: (0, 0) }
    }

    pub(crate) fn headers(&self) -> Option<&HeaderMap> {
        self.message.headers.as_ref()
    }

    pub(crate) fn payload(&self) -> &Bytes {
        &self.message.payload
    }

    pub(crate) fn subject(&self) -> &str {
        self.message.subject.as_str()
    }

    /// How often the broker has delivered it, this time included.
    pub(crate) const fn deliveries(&self) -> i64 {
        self.deliveries
    }

    /// Where in its stream it lies; nothing for a dead letter.
    pub(crate) fn stream_sequence(&self) -> Option<u64> {
        self.session.as_ref().map(|_| self.place.0)
    }

    /// An id for a message that doesn't tell its own: the same each time.
    pub(crate) fn id_of_place(&self) -> Uuid {
        Uuid::from_u64_pair(self.place.1, self.place.0)
    }

    /// It is dealt with.
    pub(crate) async fn acknowledge(&self, durable: &'static str) {
        fault::around(|| format!("{durable}.ack"), async {
            self.tell(AckKind::Ack).await;
            // Otherwise it would die with the process, and the point after it be the one before it.
            if fault::is_armed(|| format!("{durable}.ack.after"))
                && let Some(session) = &self.session
            {
                session.flush().await;
            }
        })
        .await;
    }

    /// It shall come again after `delay`.
    pub(crate) async fn send_back(&self, delay: Duration) {
        fault::around("events.nak", self.tell(AckKind::Nak(Some(delay)))).await;
    }

    /// Somebody else shall have it now.
    pub(crate) async fn give_back(&self) {
        fault::around("events.nak", self.tell(AckKind::Nak(None))).await;
    }

    /// It is still being dealt with.
    pub(crate) async fn keep(&self) {
        self.tell(AckKind::Progress).await;
    }

    /// Whatever isn't heard by the broker makes it deliver the message again.
    async fn tell(&self, what: AckKind) {
        let (Some(session), Some(reply)) = (&self.session, &self.message.reply) else { return };
        if session.is_live() {
            let told = timeout(PATIENCE, session.nats.publish(reply.clone(), what.into())).await;
            if !matches!(told, Ok(Ok(()))) {
                // The others of its batch need not wait as long.
                session.end();
            }
        }
    }
}
