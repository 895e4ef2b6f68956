use ::events::outbox::{Outgoing, TooLarge};
use proto::identity::v1::UserRegistered;
use values::UserId;

/// A user exists now: payment opens their wallet.
pub(crate) fn user_registered(user: UserId) -> Result<Outgoing, TooLarge> {
    Outgoing::new(user, 1, &UserRegistered { user_id: user.to_string() })
}
