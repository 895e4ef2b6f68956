//! A small service on real Postgres, called over gRPC: what every service does because `server` does it.

mod callers;
mod calls;
mod database;
mod dead_letters;
mod measured;
mod migrator;
mod raw;
mod shop;
mod stopping;
