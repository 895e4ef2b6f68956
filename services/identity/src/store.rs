//! The database: entities, and every query. What a statement locks besides the rows that it writes is said beside it.

pub(crate) mod addresses;
pub(crate) mod audit;
pub(crate) mod recipients;
pub(crate) mod refresh_tokens;
pub(crate) mod registrations;
pub(crate) mod roles;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod users;
