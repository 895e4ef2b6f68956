//! The inventory service from outside: over gRPC, on a real Postgres and a real NATS.

mod books;
mod concurrency;
mod corrections;
mod departures;
mod faults;
mod feeds;
mod harness;
mod lists;
mod members;
mod orders;
mod reservations;
mod rooms;
mod settling;
mod shops;
mod stock;
mod upgrade;
mod withdrawn;
