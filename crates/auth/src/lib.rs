//! Who is calling and what they may do.
//!
//! identity signs access tokens (`Issuer`); every service, identity too, verifies them (`Verifier`) with the
//! public keys that identity serves, unless the sign-in has ended or the user's access has changed since
//! (`Revocations`). Who may call which method stands in the contract (`policy`).

mod caller;
mod claims;
mod issuer;
mod keys;
mod permission;
pub mod policy;
mod revocations;
mod seal;
mod signing_key;
mod verifier;

pub use caller::{Caller, Customer, Peer};
pub use issuer::{Access, AccessToken, IssueError, Issuer};
pub use keys::{FetchError, KeySource};
pub use permission::{Permission, UnknownPermission};
pub use revocations::Revocations;
pub use seal::SealError;
pub use signing_key::{PublicKey, SigningKey, SigningKeyError};
pub use verifier::{Error, Verifier};
