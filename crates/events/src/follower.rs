mod contact;
mod source;

use std::{fmt, time::Duration};

use async_nats::{
    Client,
    jetstream::{self, Context},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use prost::DecodeError;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use self::{
    contact::Contact,
    source::{Lost, Source},
};
use crate::{Event, Reconnects, connection::is_connected};

/// Until the broker is asked again for a stream that isn't there, or for a consumer that it would not make.
const RETRY: Duration = Duration::from_millis(250);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// How many questions about the stream may go without an answer.
const UNANSWERED: usize = 3;

/// An event as every replica hears of it.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What kind of event: `bookstore.identity.v1.session_revoked`.
    pub subject: String,
    /// When the broker took it, by the broker's clock; later if it had to be published again.
    pub time: DateTime<Utc>,
    /// The event, encoded.
    pub payload: Bytes,
}

impl Notice {
    /// The event if it is of this kind.
    #[must_use]
    pub fn read<E: Event>(&self) -> Option<Result<E, DecodeError>> {
        (self.subject == E::SUBJECT).then(|| E::decode(self.payload.clone()))
    }
}

/// Shows this process everything that a stream took lately and takes from now on, beside and independent of what other
/// replicas see. For knowledge that is kept in memory and for a while only, such as which sessions have ended.
///
/// Where it stands is kept nowhere. After every reconnect, and after whatever else may mean that the broker lost
/// something, it begins again at the start of its window: a stream that lost its tail takes the same events again at
/// sequences that a consumer has behind it already. So what is handed over comes more than once and must bear it.
pub struct Follower {
    stream: &'static str,
    subjects: Vec<&'static str>,
    window: Duration,
    nats: Client,
    jetstream: Context,
    reconnects: Reconnects,
    handle: Box<dyn Fn(&Notice) + Send + Sync>,
    caught_up: watch::Sender<bool>,
    contact: Contact,
}

/// Whether a [`Follower`] has handed over all that was in its stream when it first looked.
#[derive(Clone, Debug)]
pub struct CaughtUp(watch::Receiver<bool>);

impl CaughtUp {
    /// Waits until it has. For ever, if the follower ends before.
    pub async fn wait(&self) {
        if self.0.clone().wait_for(|is| *is).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it has.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        *self.0.borrow()
    }
}

impl Follower {
    /// Hands `handle` what `stream` took within the last `window`, and what it will take. Does nothing until
    /// [`Self::run`].
    #[must_use]
    pub fn new(
        stream: &'static str,
        window: Duration,
        nats: Client,
        reconnects: Reconnects,
        handle: impl Fn(&Notice) + Send + Sync + 'static,
    ) -> (Self, CaughtUp) {
        let mut jetstream = jetstream::new(nats.clone());
        jetstream.set_timeout(ANSWER);
        let (caught_up, receiver) = watch::channel(false);
        let follower = Self {
            stream,
            subjects: Vec::new(),
            window,
            nats,
            jetstream,
            reconnects,
            handle: Box::new(handle),
            caught_up,
            contact: Contact::new(stream),
        };
        (follower, CaughtUp(receiver))
    }

    /// Only these kinds of events.
    #[must_use]
    pub fn only(mut self, subjects: impl IntoIterator<Item = &'static str>) -> Self {
        self.subjects.extend(subjects);
        self
    }

    /// Follows the stream until `stop`.
    #[must_use]
    pub fn run(mut self, stop: CancellationToken) -> BoxFuture<'static, ()> {
        // Boxed, so that it is compiled in this crate and not in each that runs one.
        Box::pin(async move {
            stop.run_until_cancelled(Box::pin(self.follow())).await;
        })
    }

    async fn follow(&mut self) {
        let mut is_told = false;
        loop {
            self.reconnects.seen();
            match self.attach().await {
                Ok(Some(source)) => {
                    is_told = false;
                    let lost = self.listen(source).await;
                    tracing::info!(stream = self.stream, %lost, "follows anew from the start of its window");
                    if matches!(lost, Lost::Connection) {
                        continue;
                    }
                }
                Ok(None) => {}
                Err(error) if is_told => tracing::debug!(stream = self.stream, %error, "cannot follow yet"),
                Err(error) => {
                    is_told = true;
                    tracing::warn!(stream = self.stream, %error, "cannot follow now");
                }
            }
            tokio::select! {
                () = self.reconnects.changed() => {}
                () = sleep(RETRY) => {}
            }
        }
    }

    /// `None` while there is no broker or no stream; its publisher will make it.
    async fn attach(&self) -> Result<Option<Source>, async_nats::Error> {
        if !is_connected(&self.nats) {
            return Ok(None);
        }
        Source::open(&self.nats, &self.jetstream, self.stream, &self.subjects, self.window).await
    }

    /// Hands over what comes until something may be missing.
    async fn listen(&mut self, mut source: Source) -> Lost {
        let watched = source.watched();
        if watched.has_nothing_left() {
            self.caught_up.send_replace(true);
        }
        let deliver = async {
            loop {
                match source.next(&self.contact).await {
                    Ok(notice) => (self.handle)(&notice),
                    Err(lost) => return lost,
                }
                if source.watched().has_nothing_left() {
                    self.caught_up.send_replace(true);
                }
            }
        };
        // Beside the delivery: an answer that takes its time must hold up no event.
        let watch = async {
            let mut unanswered = 0;
            loop {
                sleep(source::CHECK).await;
                match watched.check().await {
                    Ok(()) => {
                        unanswered = 0;
                        self.contact.made();
                    }
                    // A busy broker loses nothing; one that is gone is silent too.
                    Err(Lost::Unknown(_)) if unanswered < UNANSWERED => unanswered += 1,
                    Err(lost) => return lost,
                }
                if watched.has_nothing_left() {
                    self.caught_up.send_replace(true);
                }
            }
        };
        tokio::select! {
            biased;
            () = self.reconnects.changed() => Lost::Connection,
            lost = watch => lost,
            lost = deliver => lost,
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Follower")
            .field("stream", &self.stream)
            .field("subjects", &self.subjects)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
