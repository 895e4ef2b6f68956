//! What this service tells others, written in the transaction that changed the state.

pub(crate) mod aside;

use std::fmt::Display;

use fault::{Guard, is_off};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use tracing::Span;

use crate::{Event, EventId};

/// The longest payload, as the table checks it too. Far below what brokers take (1 MiB unless configured otherwise),
/// since a message carries headers as well.
const PAYLOAD_LIMIT: usize = 256 * 1024;

/// An event on its way into the outbox.
#[derive(Clone, Debug)]
pub struct Outgoing {
    id: EventId,
    subject: &'static str,
    aggregate_id: String,
    sequence: i64,
    payload: Vec<u8>,
    traceparent: Option<String>,
}

/// The event is larger than the broker takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the event {subject} is {bytes} bytes long, which is more than {PAYLOAD_LIMIT}")]
pub struct TooLarge {
    subject: &'static str,
    bytes: usize,
}

impl Outgoing {
    /// Encodes `event` of the aggregate (`ord_…`) whose version it made is `sequence`, as part of the current trace.
    ///
    /// Where many callers share a transaction the current span is one of them for all: say whose it is with
    /// [`within`](Self::within).
    pub fn new<E: Event>(aggregate: impl Display, sequence: i64, event: &E) -> Result<Self, TooLarge> {
        let payload = event.encode_to_vec();
        if payload.len() > PAYLOAD_LIMIT {
            return Err(TooLarge { subject: E::SUBJECT, bytes: payload.len() });
        }
        Ok(Self {
            id: EventId::new(),
            subject: E::SUBJECT,
            aggregate_id: aggregate.to_string(),
            sequence,
            payload,
            traceparent: telemetry::propagation::traceparent(),
        })
    }

    /// Makes the event part of the trace of `span`: of [`Delivery::span`](crate::Delivery::span) in a handler, of the
    /// caller's span in a group commit.
    #[must_use]
    pub fn within(mut self, span: &Span) -> Self {
        self.traceparent = telemetry::propagation::traceparent_of(span);
        self
    }

    /// The id under which the event will be known everywhere.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.id
    }
}

/// Writes `events` in their order with one statement, in the caller's transaction. After the commit, tell the relay
/// with [`Wake::wake`](crate::Wake::wake).
pub async fn append(tx: &impl ConnectionTrait, events: &[Outgoing]) -> Result<(), DbErr> {
    if events.is_empty() {
        return Ok(());
    }
    if is_off(Guard::Outbox) {
        aside::put(events);
        return Ok(());
    }
    insert(tx, events).await
}

/// The same as part of the caller's own statement, which then is the whole transaction: what to put into its `WITH`, and
/// the values for its parameters, the first of which is `$first`. `None` where events are to be [`append`]ed.
#[must_use]
pub fn part_of_statement(events: &[Outgoing], first: usize) -> Option<(String, [Value; COLUMNS])> {
    (!is_off(Guard::Outbox)).then(|| (insertion(first), values(events)))
}

const COLUMNS: usize = 6;

async fn insert(tx: &impl ConnectionTrait, events: &[Outgoing]) -> Result<(), DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, insertion(1), values(events));
    tx.execute_raw(statement).await?;
    Ok(())
}

/// Identity values follow the order of the rows that are inserted.
fn insertion(first: usize) -> String {
    let [id, subject, aggregate, sequence, payload, traceparent] = std::array::from_fn(|at| first + at);
    format!(
        "INSERT INTO outbox (event_id, subject, aggregate_id, sequence, payload, traceparent)
         SELECT event_id, subject, aggregate_id, sequence, payload, NULLIF(traceparent, '')
         FROM unnest(${id}::uuid[], ${subject}::text[], ${aggregate}::text[], ${sequence}::bigint[],
                     ${payload}::bytea[], ${traceparent}::text[])
              WITH ORDINALITY AS event (event_id, subject, aggregate_id, sequence, payload, traceparent, place)
         ORDER BY place"
    )
}

fn values(events: &[Outgoing]) -> [Value; COLUMNS] {
    let column = |value: fn(&Outgoing) -> String| events.iter().map(value).collect::<Vec<_>>();
    [
        events.iter().map(|event| event.id.uuid()).collect::<Vec<_>>().into(),
        column(|event| event.subject.to_owned()).into(),
        column(|event| event.aggregate_id.clone()).into(),
        events.iter().map(|event| event.sequence).collect::<Vec<_>>().into(),
        events.iter().map(|event| event.payload.clone()).collect::<Vec<_>>().into(),
        column(|event| event.traceparent.clone().unwrap_or_default()).into(),
    ]
}
