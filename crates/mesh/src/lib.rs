//! Calling another service: where it is, how long to wait, over which connection.
//!
//! A [`Client`] goes where a tonic channel would: `InventoryServiceClient::new(client)`. From the outside in, a call
//! passes the client span, the deadline and the pool.

mod client;
mod deadline;
mod lent;
mod pool;
mod target;

pub use client::{Client, PEER_SECRET, Policy};
pub use target::{Target, TargetError};
