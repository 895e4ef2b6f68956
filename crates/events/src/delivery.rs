use chrono::{DateTime, Utc};

use crate::EventId;

/// An event as it reached a consumer.
#[derive(Clone, Debug)]
pub struct Delivery<E> {
    /// What happened.
    pub event: E,
    /// The event's id, the same in every delivery.
    pub id: EventId,
    /// TypeID of what it happened to.
    pub aggregate_id: String,
    /// The version of the aggregate that it made.
    pub sequence: i64,
    /// When it was written, by the clock of the publisher's database.
    pub time: DateTime<Utc>,
}
