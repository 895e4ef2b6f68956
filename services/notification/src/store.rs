//! The database: every query.

pub(crate) mod deliveries;
pub(crate) mod first_start;
pub(crate) mod sending;

use server::database::{sql, stored};
