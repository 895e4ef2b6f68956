//! The database: entities, and every query. No statement locks more than the rows that it inserts.

pub(crate) mod addresses;
pub(crate) mod users;
