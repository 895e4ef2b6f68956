use ::events::outbox::{Outgoing, TooLarge};
use proto::identity::v1::{
    AccessChanged, AddressChanged, ProfileUpdated, SessionRevoked, UserDeleted, UserRegistered,
};
use values::{AddressId, SessionId, UserId};

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

/// A user is called something else, or is written to elsewhere: whoever needs it asks.
pub(crate) fn profile_updated(user: UserId, version: i64) -> Result<Outgoing, TooLarge> {
    Outgoing::new(user, version, &ProfileUpdated { user_id: user.to_string() })
}

/// An address says something else: order asks for it.
pub(crate) fn address_changed(user: UserId, address: AddressId, version: i64) -> Result<Outgoing, TooLarge> {
    let event = AddressChanged { user_id: user.to_string(), address_id: address.to_string() };
    Outgoing::new(address, version, &event)
}

/// A user is gone: every service erases what it keeps of them.
pub(crate) fn user_deleted(user: UserId, version: i64) -> Result<Outgoing, TooLarge> {
    Outgoing::new(user, version, &UserDeleted { user_id: user.to_string() })
}
