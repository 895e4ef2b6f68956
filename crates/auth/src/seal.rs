//! What else the configured key is good for: secrets derived from it, and keeping other keys secret.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::signature::Ed25519KeyPair;
use secrecy::{ExposeSecret as _, SecretBox};

use crate::{SigningKey, SigningKeyError};

/// What secrets are derived from: as good as the key's seed, and not the seed.
#[derive(Clone)]
pub(crate) struct Root(Prk);

/// A key couldn't be sealed, or what was sealed can't be opened with this key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("can't seal a signing key, or open a sealed one")]
pub struct SealError;

/// Keeps derived secrets apart from those of other programs that should get the same key.
const SALT: &[u8] = b"bookstore";
/// The purpose of the secret that other keys are sealed with.
const SEALING: &str = "signing keys 1";

impl Root {
    pub(crate) fn of(pair: &Ed25519KeyPair) -> Result<Self, SigningKeyError> {
        let seed = pair.seed().map_err(|_| SigningKeyError)?;
        let seed = seed.as_be_bytes().map_err(|_| SigningKeyError)?;
        Ok(Self(Salt::new(HKDF_SHA256, SALT).extract(seed.as_ref())))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Root(…)")
    }
}

impl SigningKey {
    /// A secret for one purpose (HKDF, RFC 5869). It tells nothing of this key, nor of the secrets of other purposes.
    ///
    /// # Panics
    /// Never: HKDF gives as many bytes as its hash has.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> SecretBox<[u8; 32]> {
        SecretBox::init_with_mut(|secret: &mut [u8; 32]| {
            #[expect(clippy::expect_used, reason = "HKDF refuses only to give more than 255 hashes")]
            self.root()
                .0
                .expand(&[purpose.as_bytes()], HKDF_SHA256)
                .and_then(|derived| derived.fill(secret))
                .expect("one hash is not too much");
        })
    }

    /// Another key, readable with this one only (AES-256-GCM): to be kept where others may look.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn seal(&self, other: &Self) -> Result<Vec<u8>, SealError> {
        let mut sealed = other.der().to_vec();
        let nonce = self
            .sealing()?
            .seal_in_place_append_tag(Aad::from(other.kid().as_bytes()), &mut sealed)
            .map_err(|_| SealError)?;
        Ok([&nonce.as_ref()[..], &sealed].concat())
    }

    /// The key of that name that was sealed with this one.
    ///
    /// # Errors
    /// It was sealed with another key, under another name, or has been changed since.
    pub fn open(&self, kid: &str, sealed: &[u8]) -> Result<Self, SealError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(kid.as_bytes());
        let der = self.sealing()?.open_in_place(nonce, aad, &mut sealed).map_err(|_| SealError)?;
        Self::from_pkcs8(der).map_err(|_| SealError)
    }

    fn sealing(&self) -> Result<RandomizedNonceKey, SealError> {
        let secret = self.derive(SEALING);
        RandomizedNonceKey::new(&AES_256_GCM, secret.expose_secret()).map_err(|_| SealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_own_key_name_and_content_only() {
        let ((master, _), (other, pem)) = (SigningKey::generate(), SigningKey::generate());
        let sealed = master.seal(&other).unwrap();
        assert_eq!(master.open(other.kid(), &sealed).unwrap().public(), other.public());
        assert_ne!(master.seal(&other).unwrap(), sealed, "the nonce must be fresh");

        let der = other.der();
        assert!(!sealed.windows(16).any(|window| der.windows(16).any(|secret| secret == window)), "{pem}");
        assert_eq!(SigningKey::generate().0.open(other.kid(), &sealed).err(), Some(SealError));
        assert_eq!(master.open(master.kid(), &sealed).err(), Some(SealError));
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(master.open(other.kid(), &changed).err(), Some(SealError));
            assert_eq!(master.open(other.kid(), &sealed[..index]).err(), Some(SealError));
        }
    }

    #[test]
    fn each_purpose_has_a_secret_of_its_own_that_stays_the_same() {
        let (key, pem) = SigningKey::generate();
        let again = SigningKey::from_pem(&pem.into()).unwrap();
        let secret = |key: &SigningKey, purpose| *key.derive(purpose).expose_secret();
        assert_eq!(secret(&key, "a"), secret(&again, "a"));
        assert_ne!(secret(&key, "a"), secret(&key, "b"));
        assert_ne!(secret(&key, "a"), secret(&SigningKey::generate().0, "a"));
    }
}
