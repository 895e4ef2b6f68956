use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};

use crate::claims::{BOOKSTORE, Claims};
use crate::keys::{KeySource, Keys, NoKey};
use crate::{Customer, PublicKey};

/// Tells valid access tokens from all others.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<Keys>,
    validation: Arc<Validation>,
}

/// Why a token isn't accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Not an access token of this shop: no JWT, another algorithm, another issuer or audience, claims missing.
    #[error("not an access token of this shop")]
    Malformed,
    /// It was valid once.
    #[error("the access token has expired")]
    Expired,
    /// Signed with a key that identity doesn't serve.
    #[error("the access token's key is not known")]
    UnknownKey,
    /// Changed after it was signed, or signed by somebody else.
    #[error("the access token's signature is wrong")]
    Signature,
    /// Its key isn't at hand and can't be asked for: whether the token is valid is not known.
    #[error("the keys to verify access tokens with are unavailable")]
    KeysUnavailable,
}

/// What clocks of two machines may differ by.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

impl Verifier {
    /// Verifies with these keys only.
    #[must_use]
    pub fn with_keys(keys: Vec<PublicKey>) -> Self {
        Self::new(Keys::fixed(keys))
    }

    /// Verifies with the source's keys: asked for when a token names a key that isn't at hand, and every few
    /// minutes so that a key taken back goes out of use.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn fetching(source: impl KeySource) -> Self {
        Self::new(Keys::fetching(source))
    }

    fn new(keys: Arc<Keys>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[BOOKSTORE]);
        validation.set_audience(&[BOOKSTORE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would compare with the machine's clock; `verify` compares with the caller's.
        validation.validate_exp = false;
        Self { keys, validation: Arc::new(validation) }
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// The token isn't valid, or nobody can tell.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Customer, Error> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Error::Malformed)?;
        // Before a key is looked for: nobody makes us fetch with a token that we would refuse anyway.
        if header.alg != Algorithm::EdDSA {
            return Err(Error::Malformed);
        }
        let key = self.keys.find(&header.kid.ok_or(Error::Malformed)?).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)?.claims;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(Error::Malformed)?;
        if now >= expires_at + LEEWAY {
            return Err(Error::Expired);
        }
        Ok(Customer::new(claims.sub, claims.sid, token.into()))
    }
}

impl From<NoKey> for Error {
    fn from(reason: NoKey) -> Self {
        match reason {
            NoKey::Unknown => Self::UnknownKey,
            NoKey::Unavailable => Self::KeysUnavailable,
        }
    }
}

impl From<jsonwebtoken::errors::Error> for Error {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidSignature => Self::Signature,
            _ => Self::Malformed,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
