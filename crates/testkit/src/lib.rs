//! What tests stand on: a database per test, a broker per test, real servers under both.
//!
//! Nothing here is a mock of our own code. Postgres and NATS are started privately, once for each test process and
//! once for each test, and end with it.

mod broker;
mod certificates;
mod collector;
mod database;
mod disk;
mod dns;
mod eventually;
mod gate;
mod identity;
mod log;
mod mailbox;
mod messages;
mod patience;
mod service;
mod streams;
mod trace;

pub use broker::{Broker, Half, Snapshot};
pub use certificates::{Certificates, TRUST_DOMAIN, certificates, channel_as, channel_to, mesh_client};
pub use collector::{Collector, Link, Span};
pub use database::{Database, empty_database, events_database};
pub use disk::Disk;
pub use dns::{Dns, replicas};
pub use eventually::eventually;
pub use gate::Gate;
pub use identity::{TestIdentity, as_user, over_tls};
pub use localservers::{Letter, Manners};
pub use log::Log;
pub use mailbox::Mailbox;
pub use messages::{Published, publish, publish_as, publish_bytes, published};
pub use service::{
    Running, base, config, database, get, running, running_at, running_front, running_with_clock, starting,
};
pub use streams::{Position, Stored};
pub use trace::Trace;
