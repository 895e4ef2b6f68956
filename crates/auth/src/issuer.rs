use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use jsonwebtoken::{Algorithm, Header};
use secrecy::SecretString;
use values::{SessionId, UserId};

use crate::claims::{BOOKSTORE, Claims};
use crate::{Permission, SigningKey};

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

impl AccessToken {
    /// The longest life of a token. Verifiers refuse longer ones: they would outlive what is remembered of
    /// revocations.
    pub const LONGEST: Duration = Duration::from_mins(15);
}

/// What a user may do, as a token tells it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Access {
    /// Counts the changes of the user's access: tokens of a lower version than the last change are not good any more.
    pub version: i64,
    /// All that the user's roles allow.
    pub permissions: Vec<Permission>,
}

/// The token couldn't be signed.
#[derive(Debug, thiserror::Error)]
#[error("can't sign a token")]
pub struct IssueError(#[from] jsonwebtoken::errors::Error);

impl Issuer {
    /// Signs with `key` tokens that are valid for `ttl`, at most [`AccessToken::LONGEST`].
    #[must_use]
    pub const fn new(key: SigningKey, ttl: Duration) -> Self {
        let ttl = if ttl.as_nanos() < AccessToken::LONGEST.as_nanos() { ttl } else { AccessToken::LONGEST };
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
        access: &Access,
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
            ver: access.version,
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            permissions: access.permissions.iter().map(ToString::to_string).collect(),
        };
        let token = jsonwebtoken::encode(&header, &claims, self.key.encoding())?;
        Ok(AccessToken { token: token.into(), expires_at })
    }
}
