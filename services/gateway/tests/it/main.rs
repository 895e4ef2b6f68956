//! The gateway, black box over real sockets: before services of the test's own, which may misbehave, and before real
//! ones.

mod calls;
mod contract;
mod harness;
mod headers;
mod limits;
mod raw;
mod sizes;
mod stub;
mod web;
