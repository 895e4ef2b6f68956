//! The database: rows, and every query.
//!
//! **Locks.** Orders are locked in the order of their ids, and before anything else is written. New orders are inserted
//! in the order of (customer, request), by transactions that lock no order. So nobody waits in a circle.

pub(crate) mod cancellations;
pub(crate) mod changes;
pub(crate) mod new_orders;
pub(crate) mod orders;
mod rows;
pub(crate) mod sweep;

use sea_orm::{DbBackend, DbErr, Statement, Value};

/// A statement with its values for `$1`, `$2`, ….
fn sql<const N: usize>(text: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

/// What was stored by us must be readable by us.
fn stored<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Result<T, DbErr> {
    parsed.map_err(|error| DbErr::Type(format!("a stored value {error}")))
}

/// As [`stored`], for names.
fn known<T>(named: Option<T>) -> Result<T, DbErr> {
    stored(named.ok_or("has a name that is not known"))
}
