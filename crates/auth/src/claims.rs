use serde::{Deserialize, Serialize};
use values::{SessionId, UserId};

/// Who signs tokens, and whom they are for: one shop is both.
pub(crate) const BOOKSTORE: &str = "bookstore";

/// The payload of an access token (RFC 7519).
#[derive(Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: UserId,
    pub(crate) sid: SessionId,
    /// Counts what a user's earlier tokens must not be good for any more.
    pub(crate) ver: i64,
    /// Seconds since 1970.
    pub(crate) iat: i64,
    /// Seconds since 1970.
    pub(crate) exp: i64,
    /// Newer releases may name some that this one doesn't know.
    pub(crate) permissions: Vec<String>,
}
