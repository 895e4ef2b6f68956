//! A private Postgres and a private NATS server on this machine: found, or installed, then run; and a mail server.
//!
//! What is installed goes to a folder below the user's cache folder and is found there the next time. The servers
//! listen on 127.0.0.1 only, and end when the process that started them ends, however it ends.

mod account;
mod cache;
mod children;
mod jaeger;
mod mail;
mod nats;
mod ports;
mod postgres;
mod programs;

pub use account::data_folder;
pub use children::{launch, signal};
pub use jaeger::{Jaeger, JaegerPorts};
pub use mail::{Letter, MailServer, Manners};
pub use nats::{Nats, NatsBinary, NatsOptions};
pub use ports::{free_port, listener};
pub use postgres::{Postgres, PostgresBinaries};

/// Told what takes long: `installing PostgreSQL with apt`.
pub type Progress<'a> = &'a dyn Fn(&str);
