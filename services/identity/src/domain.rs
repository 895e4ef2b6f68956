//! Pure rules: what a user and an address are made of. No I/O, no clock of its own.

mod address;
mod password;
mod user;

pub(crate) use address::NewAddress;
pub(crate) use password::Password;
pub(crate) use user::NewUser;
