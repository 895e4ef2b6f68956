use std::str::FromStr;

use async_nats::{HeaderMap, HeaderValue};
use chrono::{DateTime, Utc};
use tracing::Span;

use crate::{Event, EventId, consumer::Held};

/// An event as it reached a consumer.
#[derive(Clone, Debug)]
pub struct Delivery<E> {
    /// What happened.
    pub event: E,
    /// The event's id, the same in every delivery.
    pub id: EventId,
    /// `TypeID` of what it happened to.
    pub aggregate_id: String,
    /// The version of the aggregate that it made.
    pub sequence: i64,
    /// When it was written, by the clock of the publisher's database.
    pub time: DateTime<Utc>,
    pub(crate) held: Held,
    pub(crate) span: Span,
    /// Whether this delivery was noted as an attempt.
    pub(crate) is_noted: bool,
}

/// Nobody will ever make sense of a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undecodable {
    #[error("the header {0} is missing")]
    Missing(&'static str),
    #[error("the header {name} is malformed: {value:?}")]
    Malformed { name: &'static str, value: String },
    #[error("the body is no {subject}: {source}")]
    Body { subject: &'static str, source: prost::DecodeError },
}

impl<E> Delivery<E> {
    /// The span of this message's handling, in the trace of what caused it.
    ///
    /// Many messages share a transaction, whose span is none of theirs: what a handler does for one of them, such as
    /// a call to another service or [`Outgoing::within`](crate::outbox::Outgoing::within), belongs into this one.
    #[must_use]
    pub const fn span(&self) -> &Span {
        &self.span
    }

    /// Where in its stream the event lies; nothing for a dead letter that is handled after all.
    ///
    /// After the broker lost its stream the same event lies elsewhere: no more than a hint.
    #[must_use]
    pub fn stream_sequence(&self) -> Option<u64> {
        self.held.stream_sequence()
    }
}

impl<E: Event> Delivery<E> {
    pub(crate) fn read(held: Held) -> Result<Self, Box<(Held, Undecodable)>> {
        match Self::parse(&held) {
            Ok((event, attributes)) => Ok(Self {
                event,
                span: span::<E>(&held, attributes.id),
                id: attributes.id,
                aggregate_id: attributes.aggregate_id,
                sequence: attributes.sequence,
                time: attributes.time,
                held,
                is_noted: false,
            }),
            Err(error) => Err(Box::new((held, error))),
        }
    }

    fn parse(held: &Held) -> Result<(E, Attributes), Undecodable> {
        let headers = held.headers();
        let attributes = Attributes {
            id: header(headers, "ce-id")?,
            aggregate_id: header(headers, "ce-subject")?,
            sequence: header(headers, "ce-sequence")?,
            time: header(headers, "ce-time")?,
        };
        let event = E::decode(held.payload().clone())
            .map_err(|source| Undecodable::Body { subject: E::SUBJECT, source })?;
        Ok((event, attributes))
    }
}

/// `CloudEvents`' attributes.
struct Attributes {
    id: EventId,
    aggregate_id: String,
    sequence: i64,
    time: DateTime<Utc>,
}

fn header<T: FromStr>(headers: Option<&HeaderMap>, name: &'static str) -> Result<T, Undecodable> {
    let value = headers.and_then(|headers| headers.get(name)).ok_or(Undecodable::Missing(name))?.as_str();
    value.parse().map_err(|_| Undecodable::Malformed { name, value: value.to_owned() })
}

/// Reads a message as a consumer does.
///
/// # Errors
/// What the dead letter says that would be made of it.
pub fn read<E: Event>(headers: HeaderMap, payload: Vec<u8>) -> Result<Delivery<E>, String> {
    let held = Held::loose(E::SUBJECT, headers, payload, 0);
    Delivery::read(held).map_err(|refused| refused.1.to_string())
}

fn span<E: Event>(held: &Held, id: EventId) -> Span {
    let traceparent = held.headers().and_then(|headers| headers.get(telemetry::propagation::TRACEPARENT));
    let traceparent = traceparent.map(HeaderValue::as_str);
    if !telemetry::propagation::may_be_recorded(traceparent) {
        // Only so that the trace goes on by its ids.
        let span = tracing::info_span!(target: telemetry::ENTRY, "process");
        telemetry::propagation::follow(&span, traceparent);
        return span;
    }
    let span = tracing::info_span!(
        target: telemetry::ENTRY,
        "process",
        otel.name = format!("process {}", E::SUBJECT),
        otel.kind = "consumer",
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = E::SUBJECT,
        messaging.message.id = %id,
        otel.status_code = tracing::field::Empty,
        deliveries = held.deliveries(),
    );
    telemetry::propagation::follow(&span, traceparent);
    span
}
