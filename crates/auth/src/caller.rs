use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use values::{SessionId, UserId};

use crate::Permission;

/// On whose behalf a call is made. Every request carries one among its extensions.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody signed in.
    Anonymous,
    /// A user with a valid access token.
    Customer(Customer),
}

/// A signed-in user. Only `Verifier` makes one, so whoever holds one has been verified.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Who it is.
    pub user_id: UserId,
    /// The sign-in that the token belongs to.
    pub session_id: SessionId,
    pub(crate) version: i64,
    pub(crate) permissions: Arc<[Permission]>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) token: SecretString,
}

impl Customer {
    /// Whether a role of theirs allowed it when the token was issued.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// All that their roles allowed when the token was issued, as far as this release knows it.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Which state of the user's access the token tells of; `identity.access_changed` names the least that is good.
    #[must_use]
    pub const fn version(&self) -> i64 {
        self.version
    }

    /// When the token ends.
    #[must_use]
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// The user's own token, for calls that another service is to answer as if the user had asked.
    #[must_use]
    pub const fn bearer(&self) -> &SecretString {
        &self.token
    }
}

/// Which service of the shop makes a call, as its certificate or the platform's mesh says. Requests carry one among
/// their extensions if they have one.
///
/// A user's call that came through the gateway has the gateway for its peer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Peer(Arc<str>);

impl Peer {
    /// For whoever has verified that it is `service`.
    #[must_use]
    pub fn new(service: &str) -> Self {
        Self(service.into())
    }

    /// Its name: `order`.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0
    }
}
