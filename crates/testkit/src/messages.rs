use anyhow::{Context, Result};
use async_nats::{HeaderMap, HeaderValue, jetstream};
use chrono::SecondsFormat;
use events::Event;
use futures::StreamExt;
use values::{Clock, EventId};

use crate::Broker;

/// An event as it lies in a stream.
#[derive(Clone, Debug)]
pub struct Published<E> {
    /// What happened.
    pub event: E,
    /// `ce-id`.
    pub id: String,
    /// `ce-subject`: what it happened to.
    pub aggregate_id: String,
    /// `ce-sequence`: the version that it made.
    pub sequence: i64,
    /// Where in the stream it lies.
    pub stream_sequence: u64,
    /// All headers, names as sent.
    pub headers: HeaderMap,
}

/// Publishes an event as the service that owns it would, making the stream if it is missing. Answers with its id.
pub async fn publish<E: Event>(
    broker: &Broker,
    aggregate_id: &str,
    sequence: i64,
    event: &E,
) -> Result<EventId> {
    let id = EventId::new();
    publish_as(broker, id, aggregate_id, sequence, event).await?;
    Ok(id)
}

/// As [`publish`], with an id of the caller's choice: the same event again, for one.
pub async fn publish_as<E: Event>(
    broker: &Broker,
    id: EventId,
    aggregate_id: &str,
    sequence: i64,
    event: &E,
) -> Result<()> {
    publish_bytes(broker, E::SUBJECT, id, aggregate_id, sequence, event.encode_to_vec()).await
}

/// As [`publish_as`], with a body of any kind: one that no consumer can read, for one.
pub async fn publish_bytes(
    broker: &Broker,
    subject: &str,
    id: EventId,
    aggregate_id: &str,
    sequence: i64,
    body: Vec<u8>,
) -> Result<()> {
    let jetstream = broker.jetstream().await?;
    let service = service_of(subject)?;
    jetstream
        .get_or_create_stream(jetstream::stream::Config {
            name: service.to_uppercase(),
            subjects: vec![format!("bookstore.{service}.>")],
            ..Default::default()
        })
        .await?;
    let time = Clock::system().now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", id.to_string()),
        ("ce-source", format!("/bookstore/{service}")),
        ("ce-type", subject.to_owned()),
        ("ce-subject", aggregate_id.to_owned()),
        ("ce-time", time),
        ("ce-datacontenttype", "application/protobuf".to_owned()),
        ("ce-sequence", sequence.to_string()),
    ] {
        headers.insert(name, HeaderValue::from(value));
    }
    jetstream.publish_with_headers(subject.to_owned(), headers, body.into()).await?.await?;
    Ok(())
}

/// Every event of the kind that is in its stream, the oldest first; none while there is no stream.
pub async fn published<E: Event>(broker: &Broker) -> Result<Vec<Published<E>>> {
    let jetstream = broker.jetstream().await?;
    let Ok(stream) = jetstream.get_stream(service_of(E::SUBJECT)?.to_uppercase()).await else {
        return Ok(Vec::new());
    };
    let consumer = stream
        .create_consumer(jetstream::consumer::pull::Config {
            filter_subject: E::SUBJECT.to_owned(),
            ack_policy: jetstream::consumer::AckPolicy::None,
            ..Default::default()
        })
        .await?;
    let expected = usize::try_from(consumer.cached_info().num_pending)?;
    let mut messages = consumer.fetch().max_messages(expected.max(1)).messages().await?;
    let mut found = Vec::with_capacity(expected);
    while found.len() < expected {
        let message = messages.next().await.context("a message that the stream counted did not come")?;
        let message = message.map_err(|error| anyhow::anyhow!(error))?;
        let headers = message.headers.clone().context("a message without headers")?;
        let header =
            |name: &str| headers.get(name).map(ToString::to_string).with_context(|| format!("no {name}"));
        found.push(Published {
            event: E::decode(message.payload.clone())?,
            id: header("ce-id")?,
            aggregate_id: header("ce-subject")?,
            sequence: header("ce-sequence")?.parse()?,
            stream_sequence: message.info().map_err(|error| anyhow::anyhow!(error))?.stream_sequence,
            headers,
        });
    }
    Ok(found)
}

/// `bookstore.order.v1.placed` is order's.
fn service_of(subject: &str) -> Result<&str> {
    subject.split('.').nth(1).with_context(|| format!("{subject} names no service"))
}
