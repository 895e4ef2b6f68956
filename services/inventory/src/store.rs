//! The database: entities, and every query.
//!
//! **Locks.** Whoever changes stock for reservations locks reservations in the order of their ids, then shelves in the
//! order of (offer, location), and only then inserts reservations, in the order of their keys. Everybody else locks one
//! shelf at most. So nobody waits in a circle.

pub(crate) mod availability;
pub(crate) mod books;
pub(crate) mod changes;
pub(crate) mod offers;
pub(crate) mod reservations;
pub(crate) mod shops;
pub(crate) mod stock;

use sea_orm::{DbBackend, DbErr, Statement, Value};
use values::{Currency, Money};

/// A statement with its values for `$1`, `$2`, ….
fn sql<const N: usize>(text: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

fn money(minor_units: i64, currency_code: &str) -> Result<Money, DbErr> {
    let currency: Currency = stored(currency_code.parse())?;
    Ok(Money::new(minor_units, currency))
}

/// What was stored by us must be readable by us.
fn stored<T, E: std::fmt::Display>(parsed: Result<T, E>) -> Result<T, DbErr> {
    parsed.map_err(|error| DbErr::Type(format!("a stored value {error}")))
}
