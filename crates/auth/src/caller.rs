use secrecy::SecretString;
use values::{SessionId, UserId};

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
    token: SecretString,
}

impl Customer {
    pub(crate) const fn new(user_id: UserId, session_id: SessionId, token: SecretString) -> Self {
        Self { user_id, session_id, token }
    }

    /// The user's own token, for calls that another service is to answer as if the user had asked.
    #[must_use]
    pub const fn bearer(&self) -> &SecretString {
        &self.token
    }
}
