//! The order service as others see it: over gRPC and through events, on real Postgres and NATS.

mod cancelling;
mod complaining;
mod deadlines;
mod faults;
mod fulfilment;
mod input;
mod inventory;
mod paying;
mod people;
mod placing;
mod reading;
mod repeating;
mod returning;
mod shipping;
mod shop;
mod staff;
mod traces;
mod upgrade;
mod watching;
