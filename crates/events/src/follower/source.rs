//! One ephemeral consumer, and all that may tell that it has passed over something.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{
    Client, Message, StatusCode, Subject, Subscriber,
    datetime::{self, DateTime},
    jetstream::{
        self, Context,
        consumer::{
            AckPolicy, DeliverPolicy, PullConsumer,
            pull::{self, BatchConfig},
        },
        context::ConsumerInfoErrorKind,
        stream::{self, RawMessageErrorKind, Stream},
    },
};
use futures::StreamExt as _;
use tokio::time::timeout;
use values::Clock;

use super::{Notice, contact::Contact};
use crate::consumer::find_stream;

/// How often the stream is compared with what it was.
pub(super) const CHECK: Duration = Duration::from_secs(1);
/// How many messages are asked for at a time, and how long the broker keeps the request open.
const BATCH: usize = 512;
const EXPIRES: Duration = Duration::from_secs(10);
/// How often it shows a sign of life meanwhile, and how many of them may be missing.
const HEARTBEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(3);
/// After how long the broker forgets a consumer that nobody asks for messages.
const FORGET: Duration = Duration::from_secs(30);

/// Why the window has to be read again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the connection to the broker was made anew")]
    Connection,
    #[error("the broker shows no sign of life")]
    Silence,
    #[error("the broker ends the delivery: {0}")]
    Ended(String),
    #[error("the broker cannot be asked about the stream: {0}")]
    Unknown(#[source] async_nats::Error),
    #[error("a message did not arrive")]
    Gap,
    #[error("the stream is another one")]
    OtherStream,
    #[error("the stream has lost messages")]
    Tail,
}

pub(super) struct Source {
    consumer: PullConsumer,
    jetstream: Context,
    subscriber: Subscriber,
    inbox: Subject,
    /// Messages that were asked for and didn't come yet.
    outstanding: usize,
    watched: Arc<Watched>,
}

/// What the stream has to be, for as long as its consumer is to be trusted.
pub(super) struct Watched {
    stream: Stream,
    consumer: String,
    created: DateTime,
    known: Mutex<Known>,
}

struct Known {
    /// The latest message that the stream is known to hold: what else lies there one day has replaced it.
    last: (u64, DateTime),
    received: u64,
    /// How many the broker had sent when it was last asked.
    sent: u64,
    /// How many of the messages that were there at the first look didn't come yet.
    left: u64,
}

impl Source {
    /// A consumer from now − `window` on; `None` if there is no such stream.
    pub(super) async fn open(
        nats: &Client,
        jetstream: &Context,
        name: &str,
        subjects: &[&'static str],
        window: Duration,
    ) -> Result<Option<Self>, async_nats::Error> {
        let Some(stream) = find_stream(jetstream, name).await? else { return Ok(None) };
        let info = stream.get_info().await?;
        // By this machine's clock, which also says how long what is followed matters.
        let from = Clock::system().now() - window;
        let from = from.timestamp_nanos_opt().unwrap_or_default();
        let consumer = stream
            .create_consumer(pull::Config {
                deliver_policy: DeliverPolicy::ByStartTime { start_time: datetime::from_nanos(from.into())? },
                ack_policy: AckPolicy::None,
                filter_subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
                inactive_threshold: FORGET,
                memory_storage: true,
                num_replicas: 1,
                ..pull::Config::default()
            })
            .await?;
        let inbox = Subject::from(nats.new_inbox());
        let subscriber = nats.subscribe(inbox.clone()).await?;
        let known = Known {
            last: (info.state.last_sequence, info.state.last_timestamp),
            received: 0,
            sent: 0,
            left: consumer.cached_info().num_pending,
        };
        let watched = Watched {
            consumer: consumer.cached_info().name.clone(),
            created: info.created,
            known: Mutex::new(known),
            stream,
        };
        let jetstream = jetstream.clone();
        Ok(Some(Self { consumer, jetstream, subscriber, inbox, outstanding: 0, watched: Arc::new(watched) }))
    }

    pub(super) fn watched(&self) -> Arc<Watched> {
        self.watched.clone()
    }

    /// Waits for the next message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, contact: &Contact) -> Result<Notice, Lost> {
        loop {
            if self.outstanding == 0 {
                self.ask().await?;
            }
            let message = timeout(SILENCE, self.subscriber.next()).await.map_err(|_| Lost::Silence)?;
            let message = message.ok_or_else(|| Lost::Ended("the subscription has ended".to_owned()))?;
            contact.made();
            match message.status {
                None | Some(StatusCode::OK) => return self.accept(message),
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => self.outstanding = 0,
                Some(status) => {
                    let reason = message.description.unwrap_or_default();
                    return Err(Lost::Ended(format!("{status} {reason}")));
                }
            }
        }
    }

    async fn ask(&mut self) -> Result<(), Lost> {
        let request = BatchConfig {
            batch: BATCH,
            expires: Some(EXPIRES),
            idle_heartbeat: HEARTBEAT,
            ..BatchConfig::default()
        };
        let asked = self.consumer.request_batch(request, self.inbox.clone()).await;
        asked.map_err(|error| Lost::Unknown(error.into()))?;
        self.outstanding = BATCH;
        Ok(())
    }

    fn accept(&mut self, message: Message) -> Result<Notice, Lost> {
        self.outstanding = self.outstanding.saturating_sub(1);
        let message = jetstream::Message { context: self.jetstream.clone(), message };
        let info = message.info().map_err(|error| Lost::Ended(error.to_string()))?;
        let time = info.published;
        self.watched.received(info.consumer_sequence, (info.stream_sequence, time), info.pending)?;
        let nanos = i64::try_from(time.unix_timestamp_nanos()).unwrap_or_default();
        Ok(Notice {
            subject: message.subject.to_string(),
            time: chrono::DateTime::from_timestamp_nanos(nanos),
            payload: message.message.payload,
        })
    }
}

impl Watched {
    /// Whether all that was there at the first look has come.
    pub(super) fn has_nothing_left(&self) -> bool {
        self.known().left == 0
    }

    /// Whether the consumer goes on where it was, in the stream that it was made for.
    pub(super) async fn check(&self) -> Result<(), Lost> {
        // Asked after what is known was noted: a stream that grows meanwhile is none that has lost anything.
        let (last, received) = {
            let known = self.known();
            if known.sent > known.received {
                return Err(Lost::Gap);
            }
            (known.last, known.received)
        };
        let consumer =
            self.stream.consumer_info(&self.consumer).await.map_err(|error| match error.kind() {
                ConsumerInfoErrorKind::NotFound | ConsumerInfoErrorKind::StreamNotFound => {
                    Lost::Ended(error.to_string())
                }
                _ => Lost::Unknown(error.into()),
            })?;
        let stream = self.stream.get_info().await.map_err(|error| Lost::Unknown(error.into()))?;
        if stream.created != self.created {
            return Err(Lost::OtherStream);
        }
        self.holds(last, &stream).await?;
        let mut known = self.known();
        known.sent = consumer.delivered.consumer_sequence;
        if stream.state.last_sequence > known.last.0 {
            known.last = (stream.state.last_sequence, stream.state.last_timestamp);
        }
        if consumer.num_pending == 0 && known.sent <= received {
            // Somebody deleted what didn't come.
            known.left = 0;
        }
        Ok(())
    }

    /// Whether the message that lay there does so still, unless it became too old.
    async fn holds(&self, (sequence, time): (u64, DateTime), stream: &stream::Info) -> Result<(), Lost> {
        if sequence > stream.state.last_sequence {
            return Err(Lost::Tail);
        }
        if sequence < stream.state.first_sequence || sequence == 0 {
            return Ok(());
        }
        match self.stream.get_raw_message(sequence).await {
            Ok(message) if message.time == time => Ok(()),
            Ok(_) => Err(Lost::Tail),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(()),
            Err(error) => Err(Lost::Unknown(error.into())),
        }
    }

    fn received(&self, place: u64, last: (u64, DateTime), pending: u64) -> Result<(), Lost> {
        let mut known = self.known();
        if place != known.received + 1 {
            return Err(Lost::Gap);
        }
        known.received = place;
        known.left = if pending == 0 { 0 } else { known.left.saturating_sub(1) };
        if last.0 > known.last.0 {
            known.last = last;
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
