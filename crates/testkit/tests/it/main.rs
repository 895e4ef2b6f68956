//! The kit that other tests stand on, itself tested.

mod broker;
mod database;
mod gate;
mod identity;
