//! The order service as others see it: over gRPC and through events, on real Postgres and NATS.

mod cancelling;
mod complaining;
mod deadlines;
mod faults;
mod input;
mod inventory;
mod paying;
mod placing;
mod reading;
mod repeating;
mod shop;
mod traces;
mod watching;
