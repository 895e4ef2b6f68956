//! The database: every query.
//!
//! **Locks.** Whoever moves money locks payments that exist in the order of their orders' ids, then wallets in the
//! order of their ids, and only then inserts payments, in the order of their orders' ids. So nobody waits in a circle.
//! House accounts are never locked: their balance is a sum.

pub(crate) mod charges;
pub(crate) mod entries;
pub(crate) mod payments;
pub(crate) mod refunds;
pub(crate) mod top_ups;
pub(crate) mod wallets;

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
