//! Refresh tokens: secrets that a session goes on with, one after the other.

use std::time::Duration;

use auth::SigningKey;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use values::RequestId;

/// A refresh token: 256 bits that nobody can guess, so that a plain hash of them may be stored.
pub(crate) struct RefreshToken(SecretBox<[u8; 32]>);

/// The SHA-256 of a refresh token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TokenHash(Vec<u8>);

/// Makes refresh tokens.
#[derive(Debug)]
pub(crate) struct RefreshTokens {
    succession: hmac::Key,
    ttl: Duration,
}

/// The machine gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the machine gives no random numbers")]
pub(crate) struct NoRandomness;

impl RefreshTokens {
    /// Of identity with this key, each good for `ttl`.
    pub(crate) fn new(key: &SigningKey, ttl: Duration) -> Self {
        let secret = key.derive("refresh tokens");
        Self { succession: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret()), ttl }
    }

    /// How long each is good.
    pub(crate) const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The one that this request exchanges `token` for. Computed, so that an answer that was lost can be given again
    /// although nothing but its hash was kept.
    pub(crate) fn after(&self, token: &RefreshToken, request_id: &RequestId) -> RefreshToken {
        let mut mac = hmac::Context::with_key(&self.succession);
        mac.update(token.0.expose_secret());
        mac.update(request_id.as_str().as_bytes());
        let tag = mac.sign();
        RefreshToken(SecretBox::init_with_mut(|next: &mut [u8; 32]| next.copy_from_slice(tag.as_ref())))
    }
}

impl RefreshToken {
    /// The first one of a session.
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        let mut token = Box::new([0; 32]);
        rand::fill(token.as_mut()).map_err(|_| NoRandomness)?;
        Ok(Self(token.into()))
    }

    /// Reads what a client shows; `None` if it never was a refresh token.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let token: Box<[u8; 32]> = bytes.into_boxed_slice().try_into().ok()?;
        Some(Self(token.into()))
    }

    /// As clients keep it.
    pub(crate) fn to_text(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.0.expose_secret()).into()
    }

    /// As it is stored.
    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash(digest(&SHA256, self.0.expose_secret()).as_ref().to_vec())
    }
}

impl TokenHash {
    /// What is stored.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(&SigningKey::generate().0, Duration::from_mins(1))
    }

    #[test]
    fn a_token_survives_the_wire_and_nothing_else_is_one() {
        let token = RefreshToken::random().unwrap();
        let text = token.to_text();
        assert_eq!(RefreshToken::parse(text.expose_secret()).unwrap().hash(), token.hash());
        let longer = format!("{}AA", text.expose_secret());
        for text in ["", "x", &text.expose_secret()[1..], &longer, "usr_01h455vb4pex5vsknk084sn02q"] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_successor_is_the_same_for_the_same_request_only() {
        let (ours, theirs) = (tokens(), tokens());
        let (token, other) = (RefreshToken::random().unwrap(), RefreshToken::random().unwrap());
        assert_ne!(token.hash(), other.hash());
        let [r1, r2]: [RequestId; 2] = ["r-1", "r-2"].map(|id| id.parse().unwrap());
        let successor = ours.after(&token, &r1).hash();
        assert_eq!(ours.after(&token, &r1).hash(), successor);
        for different in [ours.after(&token, &r2), ours.after(&other, &r1), theirs.after(&token, &r1)] {
            assert_ne!(different.hash(), successor);
        }
    }
}
