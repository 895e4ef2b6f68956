use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use async_nats::{
    HeaderMap,
    jetstream::{
        self,
        consumer::{AckPolicy, pull},
    },
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::Broker;

/// How long the broker may take to acknowledge hundreds of messages on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many messages are on their way to the broker at once: the client sends no more than 5,000 whose answer nobody has
/// waited for.
const UNDER_WAY: usize = 500;
/// What a publisher tells the broker of the place where it wants a message.
const PLACE: [&str; 2] = ["Nats-Expected-Last-Sequence", "Nats-Expected-Stream"];
/// By which the broker knows a message that comes again.
const ID: &str = "Nats-Msg-Id";

/// A message as it lies in a stream, or as it is to be put there.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Where it lies.
    pub sequence: u64,
    /// `bookstore.order.v1.placed`.
    pub subject: String,
    /// All headers, names as sent.
    pub headers: HeaderMap,
    /// What was said.
    pub payload: Bytes,
}

impl Stored {
    /// A header's value; nothing if it isn't there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(async_nats::HeaderValue::as_str)
    }

    /// The same message as one that the broker takes again.
    #[must_use]
    pub fn again(&self) -> Self {
        self.without(|name| name == ID || PLACE.contains(&name))
    }

    /// The same message as one that may lie elsewhere; the broker takes it once.
    fn anywhere(&self) -> Self {
        self.without(|name| PLACE.contains(&name))
    }

    fn without(&self, leaves_out: impl Fn(&str) -> bool) -> Self {
        let mut headers = HeaderMap::new();
        for (name, values) in self.headers.iter().filter(|(name, _)| !leaves_out(name.as_ref())) {
            for value in values {
                headers.append(name.clone(), value.clone());
            }
        }
        Self { headers, ..self.clone() }
    }
}

/// How far a durable consumer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last sequence that it has had.
    pub delivered: u64,
    /// Messages that it has not been given.
    pub pending: u64,
    /// Messages that it has not said anything about.
    pub held: usize,
}

/// What an operator can do to the broker's streams who may do everything.
impl Broker {
    /// Every message of a stream in its order.
    pub async fn stored(&self, stream: &str) -> Result<Vec<Stored>> {
        let stream = self.jetstream().await?.get_stream(stream).await?;
        let config = pull::Config { ack_policy: AckPolicy::None, ..Default::default() };
        let consumer = stream.create_consumer(config).await?;
        let expected = usize::try_from(consumer.cached_info().num_pending)?;
        let mut found = Vec::with_capacity(expected);
        if expected == 0 {
            return Ok(found);
        }
        let mut messages = consumer.fetch().max_messages(expected).expires(PATIENCE).messages().await?;
        while found.len() < expected {
            let message = messages.next().await.context("a message that the stream counted did not come")?;
            let message = message.map_err(|error| anyhow::anyhow!(error))?;
            let sequence = message.info().map_err(|error| anyhow::anyhow!(error))?.stream_sequence;
            let (message, _) = message.split();
            found.push(Stored {
                sequence,
                subject: message.subject.to_string(),
                headers: message.headers.unwrap_or_default(),
                payload: message.payload,
            });
        }
        Ok(found)
    }

    /// Puts messages at the end of the streams that take their subjects; says where each lies now.
    /// What the broker knows to have already, it doesn't take.
    pub async fn put(&self, messages: &[Stored]) -> Result<Vec<u64>> {
        let mut jetstream = self.jetstream().await?;
        jetstream.set_timeout(PATIENCE);
        let mut places = Vec::with_capacity(messages.len());
        for some in messages.chunks(UNDER_WAY) {
            let mut answers = Vec::with_capacity(some.len());
            for message in some.iter().map(Stored::anywhere) {
                let (subject, headers) = (message.subject.clone(), message.headers.clone());
                let sent = jetstream.publish_with_headers(subject, headers, message.payload.clone()).await;
                answers.push(sent.with_context(|| message.subject.clone())?);
            }
            for answer in answers {
                places.push(answer.await?.sequence);
            }
        }
        Ok(places)
    }

    /// Makes a stream anew with these messages and nothing else; its consumers go with what it was. Says where each
    /// message lies now.
    pub async fn rebuild(&self, stream: &str, messages: &[Stored]) -> Result<Vec<u64>> {
        let jetstream = self.jetstream().await?;
        let config = jetstream.get_stream(stream).await?.cached_info().config.clone();
        jetstream.delete_stream(stream).await?;
        jetstream.create_stream(config).await?;
        self.put(messages).await
    }

    /// Takes messages out of a stream.
    pub async fn delete(&self, stream: &str, places: &[u64]) -> Result<()> {
        let stream = self.jetstream().await?.get_stream(stream).await?;
        for place in places {
            stream.delete_message(*place).await?;
        }
        Ok(())
    }

    /// The last sequence of a stream; nothing if there is no such stream.
    pub async fn last_sequence(&self, stream: &str) -> Result<Option<u64>> {
        let found = self.jetstream().await?.get_stream(stream).await;
        Ok(found.ok().map(|stream| stream.cached_info().state.last_sequence))
    }

    /// The durable consumers of a stream and where they stand.
    pub async fn positions(&self, stream: &str) -> Result<BTreeMap<String, Position>> {
        let stream = self.jetstream().await?.get_stream(stream).await?;
        let consumers: Vec<jetstream::consumer::Info> = stream.consumers().try_collect().await?;
        let durable = consumers.into_iter().filter_map(|info| {
            let position = Position {
                delivered: info.delivered.stream_sequence,
                pending: info.num_pending,
                held: info.num_ack_pending,
            };
            Some((info.config.durable_name?, position))
        });
        Ok(durable.collect())
    }

    /// Deletes the durable consumers of a stream; says how many there were.
    pub async fn delete_consumers(&self, stream: &str) -> Result<usize> {
        let names = self.positions(stream).await?;
        let stream = self.jetstream().await?.get_stream(stream).await?;
        for name in names.keys() {
            stream.delete_consumer(name).await?;
        }
        Ok(names.len())
    }

    /// Lets a durable consumer stand where it has had everything up to `sequence`, be that beyond the stream's end.
    pub async fn put_at(&self, stream: &str, consumer: &str, sequence: u64) -> Result<()> {
        let subject = format!("$JS.API.CONSUMER.RESET.{stream}.{consumer}");
        let next = format!(r#"{{"seq":{}}}"#, sequence + 1);
        let answer = self.client().await?.request(subject, next.into()).await?;
        let stands = self.positions(stream).await?.get(consumer).map(|position| position.delivered);
        anyhow::ensure!(stands == Some(sequence), "{consumer} stands at {stands:?}: {:?}", answer.payload);
        Ok(())
    }

    /// Gives a durable consumer nothing for the next `time`.
    pub async fn hold(&self, stream: &str, consumer: &str, time: Duration) -> Result<()> {
        let until = async_nats::datetime::now() + time;
        self.jetstream().await?.get_stream(stream).await?.pause_consumer(consumer, until).await?;
        Ok(())
    }
}
