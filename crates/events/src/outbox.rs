//! What this service tells others, written in the transaction that changed the state.

use std::fmt::Display;

use sea_orm::{ConnectionTrait, DbErr};

use crate::{Event, EventId};

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
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the event {subject} is {bytes} bytes long; at most {limit} are possible")]
pub struct TooLarge {
    subject: &'static str,
    bytes: usize,
    limit: usize,
}

impl Outgoing {
    /// Encodes `event` of the aggregate (`ord_…`) whose version it made is `sequence`, as part of the current trace.
    pub fn new<E: Event>(aggregate: impl Display, sequence: i64, event: &E) -> Result<Self, TooLarge> {
        let _ = (aggregate, sequence, event);
        unimplemented!()
    }

    /// The id under which the event will be known everywhere.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.id
    }
}

/// Writes `events` in their order with one statement, in the caller's transaction.
pub async fn append(tx: &impl ConnectionTrait, events: &[Outgoing]) -> Result<(), DbErr> {
    let _ = (tx, events);
    unimplemented!()
}
