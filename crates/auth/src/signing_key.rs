use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret, SecretString};

use crate::seal::Root;

/// The private half of the key that access tokens are signed with (Ed25519).
#[derive(Clone)]
pub struct SigningKey {
    encoding: Arc<EncodingKey>,
    root: Root,
    public: PublicKey,
}

/// What verifies the tokens that a key signed: an Ed25519 public key (RFC 8037).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// Names the key in the header of a token.
    pub kid: String,
    /// The key, base64url without padding.
    pub x: String,
}

/// The text is no key to sign with. What the text was isn't said: it may be most of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be an Ed25519 private key as PKCS#8 PEM (`openssl genpkey -algorithm ed25519` makes one)")]
pub struct SigningKeyError;

impl SigningKey {
    /// A fresh key, and the PKCS#8 PEM to keep it as.
    ///
    /// # Panics
    /// If the machine has no randomness.
    #[must_use]
    pub fn generate() -> (Self, String) {
        #[expect(
            clippy::expect_used,
            reason = "without randomness nothing can be secret; no caller could go on"
        )]
        let pair = Ed25519KeyPair::generate().expect("the machine has randomness");
        #[expect(clippy::expect_used, reason = "a key that was just made has an encoding, which reads back")]
        let key = {
            let der: Pkcs8V1Der<'_> = pair.as_der().expect("a fresh key has an encoding");
            (
                Self::from_der(EncodingKey::from_ed_der(der.as_ref())).expect("a fresh key reads back"),
                to_pem(der.as_ref()),
            )
        };
        key
    }

    /// Reads a key from PKCS#8 PEM.
    ///
    /// # Errors
    /// Anything but one Ed25519 private key.
    pub fn from_pem(pem: &SecretString) -> Result<Self, SigningKeyError> {
        Self::from_der(EncodingKey::from_ed_pem(pem.expose_secret().as_bytes()).map_err(|_| SigningKeyError)?)
    }

    fn from_der(encoding: EncodingKey) -> Result<Self, SigningKeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(encoding.as_bytes()).map_err(|_| SigningKeyError)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let public = PublicKey { kid: thumbprint(&x), x };
        Ok(Self { encoding: Arc::new(encoding), root: Root::of(&pair)?, public })
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeyError> {
        Self::from_der(EncodingKey::from_ed_der(der))
    }

    pub(crate) fn der(&self) -> &[u8] {
        self.encoding.as_bytes()
    }

    pub(crate) const fn root(&self) -> &Root {
        &self.root
    }

    /// The key's name: its RFC 7638 thumbprint, so that nobody has to choose one.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// What verifies what this key signs.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

/// The SHA-256 of the key's required members in lexicographic order (RFC 7638 §3, RFC 8037 §2).
fn thumbprint(x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

fn to_pem(der: &[u8]) -> String {
    // 48 bytes are one line of 64 characters, so an Ed25519 key never needs a second.
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key pair of RFC 8037, appendix A, as `openssl pkey` writes it.
    const RFC_8037_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn the_examples_of_rfc_8037_hold() {
        let key = SigningKey::from_pem(&RFC_8037_PEM.into()).unwrap();
        assert_eq!(key.public().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_fresh_key_reads_back_from_its_pem() {
        let (key, pem) = SigningKey::generate();
        assert_eq!(SigningKey::from_pem(&pem.into()).unwrap().public(), key.public());
        assert_ne!(SigningKey::generate().0.public(), key.public());
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused_without_repeating_it() {
        let p256 = "-----BEGIN PRIVATE KEY-----\n\
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n\
            OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n\
            1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n\
            -----END PRIVATE KEY-----\n";
        for text in ["", "secret", p256, &RFC_8037_PEM.replace("MC4C", "MC4D")] {
            let error = SigningKey::from_pem(&SecretString::from(text)).unwrap_err();
            assert!(error.to_string().contains("openssl"));
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let (key, pem) = SigningKey::generate();
        let secret = &pem.lines().nth(1).unwrap()[20..];
        assert!(!format!("{key:?}").contains(secret));
    }
}
