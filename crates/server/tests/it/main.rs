//! A small service on real Postgres, called over gRPC: what every service does because `server` does it.

mod admitted;
mod callers;
mod calls;
mod database;
mod dead_letters;
mod feeds;
mod front;
mod handlers;
mod measured;
mod migrator;
mod overload;
mod peers;
mod raw;
mod ready;
mod security;
mod shop;
mod slow;
mod stopping;
