//! The inventory service from outside: over gRPC, on a real Postgres and a real NATS.

mod books;
mod concurrency;
mod faults;
mod harness;
mod orders;
mod reservations;
mod settling;
mod shops;
mod stock;
