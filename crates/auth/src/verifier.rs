use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use fault::{Guard, is_off};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;
use values::{SessionId, UserId};

use crate::claims::{BOOKSTORE, Claims};
use crate::keys::{self, Key, KeySource, Keys, NoKey};
use crate::{AccessToken, Customer, Permission, PublicKey, Revocations};

/// Tells valid access tokens from all others.
///
/// Clones share the keys, the revocations and the signatures that were checked.
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<Keys>,
    validation: Arc<Validation>,
    revocations: Revocations,
    checked: Arc<Cache<Fingerprint, Arc<Checked>>>,
}

/// The SHA-256 of a token: who reads the memory of a process finds no tokens that are only remembered.
type Fingerprint = [u8; 32];

/// What a token says whose signature was found right. It may have expired or been revoked since.
struct Checked {
    key: Arc<Key>,
    user: UserId,
    session: SessionId,
    version: i64,
    permissions: Arc<[Permission]>,
    expires_at: DateTime<Utc>,
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
    /// The sign-in ended, or the user's access changed.
    #[error("the access token has been revoked")]
    Revoked,
    /// Its key isn't at hand and can't be asked for: whether the token is valid is not known.
    #[error("the keys to verify access tokens with are unavailable")]
    KeysUnavailable,
}

/// How many tokens are remembered, at some 300 bytes each.
const REMEMBERED: u64 = 16_384;
/// How many there is room for from the start.
const EXPECTED: usize = 1024;

impl Verifier {
    /// What clocks of two machines may differ by: tokens are accepted for that much longer.
    pub const LEEWAY: TimeDelta = TimeDelta::seconds(5);

    /// After this long every verifier that fetches its keys knows one that identity began to serve: the earliest moment to
    /// sign with it.
    pub const KNOWS_KEYS_WITHIN: Duration = keys::KNOWN_WITHIN;

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
        Self {
            keys,
            validation: Arc::new(validation),
            revocations: Revocations::new(),
            checked: Arc::new(Cache::with_weighter(EXPECTED, REMEMBERED, UnitWeighter)),
        }
    }

    /// Verifies with these keys from now on, and so do all clones: for identity, which has them before it serves them.
    pub fn set_keys(&self, keys: Vec<PublicKey>) {
        self.keys.replace(keys);
    }

    /// Refuses what is noted in `revocations`.
    #[must_use]
    pub fn with_revocations(self, revocations: Revocations) -> Self {
        Self { revocations, ..self }
    }

    /// What it refuses although it hasn't expired.
    #[must_use]
    pub const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Whose token this is.
    ///
    /// Only the signature is remembered: that the token hasn't expired, that its key is still served and that it isn't
    /// revoked is checked every time.
    ///
    /// # Errors
    /// The token isn't valid, or nobody can tell.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Customer, Error> {
        let fingerprint = sha256(token);
        let remembered = self.remembered(&fingerprint);
        let is_new = remembered.is_none();
        let checked = match remembered {
            Some(checked) => checked,
            None => Arc::new(self.check(token).await?),
        };
        if now - Self::LEEWAY >= checked.expires_at {
            self.checked.remove(&fingerprint);
            return Err(Error::Expired);
        }
        let is_revoked = !self.revocations.allow(checked.user, checked.session, checked.version);
        if is_revoked && !is_off(Guard::Revocations) {
            self.checked.remove(&fingerprint);
            return Err(Error::Revoked);
        }
        let customer = Customer {
            user_id: checked.user,
            session_id: checked.session,
            version: checked.version,
            permissions: Arc::clone(&checked.permissions),
            expires_at: checked.expires_at,
            token: token.into(),
        };
        if is_new {
            self.checked.insert(fingerprint, checked);
        }
        Ok(customer)
    }

    fn remembered(&self, fingerprint: &Fingerprint) -> Option<Arc<Checked>> {
        self.checked.get(fingerprint).filter(|checked| self.keys.serve(&checked.key))
    }

    async fn check(&self, token: &str) -> Result<Checked, Error> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Error::Malformed)?;
        // Before a key is looked for: nobody makes us fetch with a token that we would refuse anyway.
        if header.alg != Algorithm::EdDSA {
            return Err(Error::Malformed);
        }
        let key = self.keys.find(&header.kid.ok_or(Error::Malformed)?).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation)?.claims;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(Error::Malformed)?;
        let life = u64::try_from(claims.exp.saturating_sub(claims.iat)).map_err(|_| Error::Malformed)?;
        if life > AccessToken::LONGEST.as_secs() {
            return Err(Error::Malformed);
        }
        Ok(Checked {
            key,
            user: claims.sub,
            session: claims.sid,
            version: claims.ver,
            permissions: claims.permissions.iter().filter_map(|name| name.parse().ok()).collect(),
            expires_at,
        })
    }
}

fn sha256(token: &str) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
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
