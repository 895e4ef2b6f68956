//! What the services know of orders, each from its own database, a page at a time.

pub(crate) mod lines;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod reservations;
