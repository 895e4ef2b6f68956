//! Pure rules: what a user, a role and an address are made of. No I/O, no clock of its own.

pub(crate) mod address;
mod password;
mod profile;
mod role;
mod user;

pub(crate) use address::{AddressChange, NewAddress};
pub(crate) use password::{Password, PasswordError};
pub(crate) use profile::ProfileChange;
pub(crate) use role::Role;
pub(crate) use user::NewUser;
