use auth::Customer;
use proto::identity::v1 as pb;
use values::{UserId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::users::{self, Named};

/// Reads a user by id or e-mail address; the caller if neither is given.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or both given · `NOT_FOUND` no such user, or another one than the caller, who may
/// not read any
pub(super) async fn get_user(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::GetUserRequest,
) -> Result<pb::User> {
    let named = parse(caller.user_id, &wire)?;
    let found = users::find_for(&identity.db, caller, &named).await?;
    let asked_for = || match named {
        Named::ById(user) => user.to_string(),
        // Personal data, which belongs into no answer but the user's own.
        Named::ByEmail(_) => String::new(),
    };
    found.map(pb::User::from).ok_or_else(|| Error::NotFound { kind: "user", id: asked_for() })
}

fn parse(caller: UserId, wire: &pb::GetUserRequest) -> std::result::Result<Named, Violations> {
    let mut violations = Violations::new();
    let named = match (wire.user_id.as_str(), wire.email.as_str()) {
        ("", "") => Some(Named::ById(caller)),
        (id, "") => violations.parse("user_id", id).map(Named::ById),
        ("", email) => violations.parse("email", email).map(Named::ByEmail),
        _ => {
            violations.add("user_id", "must not be given together with email");
            violations.add("email", "must not be given together with user_id");
            None
        }
    };
    violations.finish(named)
}
