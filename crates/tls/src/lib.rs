//! Certificates with SPIFFE ids, re-read from disk, for both sides of a call.
//!
//! An [`Identity`] is what a process shows and whom it trusts. The rustls configurations that it makes follow its files:
//! what is [reloaded](Identity::reload) counts from the next handshake on. Connections that stand keep the identity they
//! were made with, so servers let none live for ever.

#[cfg(feature = "authority")]
pub mod authority;
mod files;
mod fresh;
mod identity;
mod material;
mod spiffe_id;
mod verify;

pub use files::Files;
pub use identity::Identity;
pub use material::Error;
pub use spiffe_id::{SpiffeId, SpiffeIdError};
pub use verify::peer_of;
