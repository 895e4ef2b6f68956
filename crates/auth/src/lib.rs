//! Who is calling and what they may do.
//!
//! identity signs access tokens (`Issuer`); every service, identity too, verifies them (`Verifier`) with the
//! public keys that identity serves. Until services have certificates, a shared secret (`PeerSecret`) tells
//! calls between services from calls of users.

mod caller;
mod claims;
mod issuer;
mod keys;
mod peer_secret;
mod signing_key;
mod verifier;

pub use caller::{Caller, Customer};
pub use issuer::{AccessToken, IssueError, Issuer};
pub use keys::{FetchError, KeySource};
pub use peer_secret::{PeerSecret, PeerSecretError};
pub use signing_key::{PublicKey, SigningKey, SigningKeyError};
pub use verifier::{Error, Verifier};
