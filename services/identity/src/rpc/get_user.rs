use auth::Customer;
use proto::identity::v1 as pb;
use values::{UserId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::users;

/// Reads the caller.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` no such user, or not the caller
pub(super) async fn get_user(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::GetUserRequest,
) -> Result<pb::User> {
    let user = parse(&wire)?.unwrap_or(caller.user_id);
    let found = users::find_for(&identity.db, caller.user_id, user).await?;
    found.map(pb::User::from).ok_or_else(|| Error::NotFound { kind: "user", id: user.to_string() })
}

/// `None` is the caller.
fn parse(wire: &pb::GetUserRequest) -> std::result::Result<Option<UserId>, Violations> {
    if wire.user_id.is_empty() {
        return Ok(None);
    }
    let mut violations = Violations::new();
    let user = violations.parse("user_id", &wire.user_id);
    violations.finish(user).map(Some)
}
