//! The database: entities, and every query.
//!
//! **Locks.** Whoever changes stock for reservations locks reservations in the order of their ids, then shelves in the
//! order of (offer, location), and only then changes these reservations and inserts others, in the order of their keys.
//! A feed locks its shop, works in the order of their ids, and shelves in that order, too. Everybody else locks one
//! shelf at most. So nobody waits in a circle for stock. Who announces members locks many shops, but waits for none of
//! them; who lets people leave several shops locks these in the order of their ids, and nothing after them.

pub(crate) mod announcements;
pub(crate) mod availability;
pub(crate) mod book_list;
pub(crate) mod books;
pub(crate) mod changes;
pub(crate) mod departures;
pub(crate) mod editions;
pub(crate) mod feeds;
pub(crate) mod locations;
pub(crate) mod members;
pub(crate) mod movements;
pub(crate) mod offers;
pub(crate) mod reservations;
pub(crate) mod returns;
pub(crate) mod shops;
pub(crate) mod stock;
pub(crate) mod works;

use server::database::{money, sql, stored};
