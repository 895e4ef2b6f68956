//! Being a service: configuration, migrations, health, what every call passes, and how to stop.
//!
//! A service implements [`Application`] and hands it to [`main`]; its tests hand it to [`run`] with listeners on free
//! ports.

mod admin;
mod application;
mod call;
pub mod caller;
pub mod config;
pub mod database;
mod dead_letters;
mod health;
mod jwks;
mod listen;
mod migrate;
mod process;
mod run;
mod service;
pub mod status;
pub mod wire;

pub use application::{Application, BuildError, Context};
pub use config::Config;
pub use jwks::jwks;
pub use migrate::{MigrateError, SqlMigration, migrate};
pub use process::main;
pub use run::{Error, Listeners, run};
pub use service::Service;
