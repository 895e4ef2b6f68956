//! Pure rules: what a user, a role and an address are made of. No I/O, no clock of its own.

mod address;
mod password;
mod role;
mod user;

pub(crate) use address::NewAddress;
pub(crate) use password::{Password, PasswordError};
pub(crate) use role::Role;
pub(crate) use user::NewUser;
