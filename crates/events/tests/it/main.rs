//! Outbox, relay and consumers on a real Postgres and a real NATS server.

mod comparing;
mod consuming;
mod failing;
mod publishing;
mod recorder;
mod shop;
mod standing_by;
mod tracing;
