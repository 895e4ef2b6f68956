use ::events::outbox::{Outgoing, TooLarge};
use proto::identity::v1::{AccessChanged, SessionRevoked, UserRegistered};
use values::{SessionId, UserId};

/// A user exists now: payment opens their wallet.
pub(crate) fn user_registered(user: UserId) -> Result<Outgoing, TooLarge> {
    Outgoing::new(user, 1, &UserRegistered { user_id: user.to_string() })
}

/// A sign-in ended: every service refuses its tokens.
pub(crate) fn session_revoked(session: SessionId) -> Result<Outgoing, TooLarge> {
    Outgoing::new(session, 1, &SessionRevoked { session_id: session.to_string() })
}

/// A user may do other things than before: every service refuses tokens of lower versions.
pub(crate) fn access_changed(user: UserId, least_version: i64) -> Result<Outgoing, TooLarge> {
    Outgoing::new(user, least_version, &AccessChanged { user_id: user.to_string(), least_version })
}
