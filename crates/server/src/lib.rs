//! Being a service: configuration, migrations, health, what every call passes, and how to stop.
//!
//! A service implements [`Application`] and hands it to [`main`]; its tests hand it to [`run`] with listeners on free
//! ports. A process without database and broker in front of the services implements [`Front`].

mod admin;
mod application;
mod call;
pub mod caller;
pub mod config;
pub mod database;
mod dead_letters;
mod dependencies;
pub mod framing;
mod front;
pub mod headers;
mod health;
mod jwks;
mod listen;
pub mod measures;
mod memory;
mod migrate;
mod network;
mod peer;
mod process;
mod revocations;
mod run;
mod service;
mod shed;
pub mod status;
mod stop;
pub mod wire;

/// Readers of bytes that are nobody's business but this crate's, and the fuzzer's.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::peer::named_by_proxies;
}

pub use application::{Application, BuildError, Context};
pub use config::Config;
pub use front::{Front, FrontContext, FrontService, run_front};
pub use jwks::jwks;
pub use listen::OneMessage;
pub use migrate::{MigrateError, SqlMigration, migrate};
pub use network::Network;
pub use peer::PeersError;
pub use process::{front_main, main};
pub use run::{Error, Listeners, run};
pub use service::Service;
