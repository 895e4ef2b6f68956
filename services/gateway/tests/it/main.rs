//! The gateway, black box over real sockets: before services of the test's own, which may misbehave, and before real
//! ones.

mod calls;
mod contract;
mod harness;
mod headers;
mod limits;
mod logs;
mod raw;
mod services;
mod sizes;
mod stub;
mod web;
