//! Outbox, relay and consumers on a real Postgres and a real NATS server.

mod comparing;
mod connecting;
mod consuming;
mod failing;
mod following;
mod publishing;
mod recorder;
mod replaying;
mod shop;
mod standing_by;
mod stopping;
mod tracing;
