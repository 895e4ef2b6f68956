//! The kit that other tests stand on, itself tested.

mod broker;
mod database;
mod dns;
mod gate;
mod identity;
