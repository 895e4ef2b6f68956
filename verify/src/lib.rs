//! What must be true of a shop, read from behind the services' backs: from their databases and the broker's streams.
//!
//! What one database says of itself is read as one moment, and must be true of a shop under full load. What the services
//! must agree on is only asked of what has been calm for a while, and read a second time before it is reported. Each
//! violation names by its ids what it is about; none names a person.

mod access;
mod agreement;
mod announcements;
mod books;
mod check;
mod deliveries;
mod events;
mod known;
mod ledger;
mod look;
mod members;
mod orders;
mod report;
mod scope;
mod service;
mod stock;
mod strangers;
mod streams;
mod stuck;

pub use access::Access;
pub use check::Check;
pub use look::look;
pub use report::{Report, Violation};
pub use scope::{Patience, Scope};
pub use service::Service;
