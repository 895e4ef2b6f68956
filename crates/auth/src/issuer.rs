use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use jsonwebtoken::{Algorithm, Header};
use secrecy::SecretString;
use values::{SessionId, UserId};

use crate::SigningKey;
use crate::claims::{BOOKSTORE, Claims};

/// Signs access tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    key: SigningKey,
    ttl: Duration,
}

/// What a user is signed in with.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// A JSON Web Token (RFC 7519) signed with Ed25519 (RFC 8037).
    pub token: SecretString,
    /// When it stops being accepted, to the second.
    pub expires_at: DateTime<Utc>,
}

/// The token couldn't be signed.
#[derive(Debug, thiserror::Error)]
#[error("can't sign a token")]
pub struct IssueError(#[from] jsonwebtoken::errors::Error);

impl Issuer {
    /// Signs with `key` tokens that are valid for `ttl`.
    #[must_use]
    pub const fn new(key: SigningKey, ttl: Duration) -> Self {
        Self { key, ttl }
    }

    /// A token for a user who has just proved who they are.
    ///
    /// # Errors
    /// The cryptography refused to sign.
    pub fn issue(
        &self,
        user: UserId,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Result<AccessToken, IssueError> {
        let expires_at = (now + self.ttl).trunc_subsecs(0);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key.kid().to_owned());
        let claims = Claims {
            iss: BOOKSTORE.to_owned(),
            aud: BOOKSTORE.to_owned(),
            sub: user,
            sid: session,
            ver: 0,
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            permissions: Vec::new(),
        };
        let token = jsonwebtoken::encode(&header, &claims, self.key.encoding())?;
        Ok(AccessToken { token: token.into(), expires_at })
    }
}
