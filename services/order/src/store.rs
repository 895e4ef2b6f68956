//! The database: rows, and every query.
//!
//! **Locks.** Orders are locked in the order of their ids, and before anything else is written. New orders are inserted
//! in the order of (customer, request), by transactions that lock no order. So nobody waits in a circle.

pub(crate) mod cancellations;
pub(crate) mod changes;
pub(crate) mod erasure;
pub(crate) mod members;
pub(crate) mod new_orders;
pub(crate) mod orders;
#[cfg(test)]
mod plan;
pub(crate) mod refreshes;
pub(crate) mod requests;
pub(crate) mod returns;
mod rows;
pub(crate) mod search;
pub(crate) mod shipments;
pub(crate) mod standings;
pub(crate) mod sweep;

use sea_orm::DbErr;
use server::database::{sql, stored};

/// What was stored by us has a name that we know.
fn known<T>(named: Option<T>) -> Result<T, DbErr> {
    stored(named.ok_or("has a name that is not known"))
}
