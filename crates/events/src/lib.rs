//! Durable events between services: outbox, verified relay, consumers, inbox, dead letters.
//!
//! Postgres is the truth and the broker a copy of it. What a service tells others is a row of its [`outbox`], written
//! in the transaction that changed the state. The [`Relay`] brings the rows to the broker and checks that it kept
//! them; a [`Consumer`] takes them from there and runs a [`Handler`] whose effects, together with the event's id in
//! the inbox, are one transaction again: everything may happen twice on the way, and its effect happens once. What a
//! handler can't handle becomes one of the [`DeadLetters`]. A [`Follower`] shows every replica what all must know for a
//! while.

mod attempts;
mod catalogue;
mod connection;
mod consumer;
mod dead_letters;
mod delivery;
mod failure;
mod follower;
mod handler;
mod inbox;
mod metrics;
mod migrations;
pub mod outbox;
mod relay;
mod wake;

/// Readers of bytes that are nobody's business but this crate's, and the fuzzer's.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::{catalogue::json, delivery::read};
}

pub use catalogue::Event;
pub use connection::{ConnectError, Reconnects, connect, reach};
pub use consumer::{Consumer, ConsumerConfig};
pub use dead_letters::{DeadLetter, DeadLetters, DiscardError, ReplayError, State};
pub use delivery::Delivery;
pub use failure::{Failure, answered, failure};
pub use follower::{CaughtUp, Follower, Notice};
pub use handler::{HandleError, Handler, Verdict};
pub use migrations::migrations;
pub use relay::{Pace, Relay, RelayConfig};
pub use values::EventId;
pub use wake::Wake;
