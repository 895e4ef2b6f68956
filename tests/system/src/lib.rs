//! The whole shop on one machine: its services as processes, five with a database each, a broker, and what must be true of
//! them.
//!
//! A [`Shop`] is started by a test, used over gRPC as customers and shop owners use it, broken by killing, pausing or
//! cutting off its parts, and in the end looked at from behind: [`Shop::check`] reads the databases.

mod answers;
mod clients;
pub mod crash_points;
mod customer;
mod deaths;
mod detour;
mod directory;
mod guards;
mod launch;
mod links;
mod load;
mod logs;
pub mod model;
mod options;
mod papers;
mod people;
mod pids;
mod process;
mod seller;
mod service;
mod shop;
mod street;
pub mod torture;
mod variables;

pub use answers::Answers;
pub use clients::{Clients, Door};
pub use customer::{Customer, PASSWORD, euros, is_passing, new_request_id};
pub use deaths::End;
pub use detour::Detour;
pub use load::Load;
pub use options::Options;
pub use process::{command_line, programs, verifier};
pub use seller::{Book, Seller};
pub use service::{Replica, Service};
pub use shop::Shop;
pub use street::Street;
