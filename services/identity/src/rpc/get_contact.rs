use proto::identity::v1 as pb;
use values::{UserId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::users;

/// How to address a user and where to write to, for the services that the policy names.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` no such user
pub(super) async fn get_contact(
    identity: &IdentityService,
    wire: pb::GetContactRequest,
) -> Result<pb::Contact> {
    let user = parse(&wire)?;
    let found = users::find(&identity.db, user).await?;
    let found = found.ok_or_else(|| Error::user_not_found(user))?.user;
    Ok(pb::Contact { user_id: user.to_string(), email: found.email, display_name: found.display_name })
}

pub(super) fn parse(wire: &pb::GetContactRequest) -> std::result::Result<UserId, Violations> {
    let mut violations = Violations::new();
    let user = violations.parse("user_id", &wire.user_id);
    violations.finish(user)
}
