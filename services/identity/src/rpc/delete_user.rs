use auth::{Customer, Permission};
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use values::{UserId, Violations};

use super::IdentityService;
use crate::access;
use crate::domain::Password;
use crate::error::{Error, Result};
use crate::proof::Proof;
use crate::store::{audit, users};

struct DeleteUser {
    user: UserId,
    current_password: Option<Password>,
}

/// Deletes a user for good, with all that is theirs, and tells the other services to do the same.
///
/// A user who was deleted stays so, and nothing happens.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such user, or not the caller, who may not delete any
/// · `FAILED_PRECONDITION` the password is wrong, or the last admin
/// · `RESOURCE_EXHAUSTED` too many passwords to hash, or too many of the caller's
pub(super) async fn delete_user(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::DeleteUserRequest,
) -> Result<pb::DeleteUserResponse> {
    let DeleteUser { user, current_password } = parse(caller.user_id, &wire)?;
    let is_self = user == caller.user_id;
    if !is_self && !caller.may(Permission::USERS_DELETE) {
        return Err(Error::user_not_found(user));
    }
    let known = match users::find(&identity.db, user).await? {
        Some(known) => known.user,
        None if audit::was_deleted(&identity.db, user).await? => return Ok(pb::DeleteUserResponse {}),
        None => return Err(Error::user_not_found(user)),
    };
    let proof = if is_self {
        let turn = identity.passwords.turn(user)?;
        Some(Proof::take(&turn, &known, current_password).await?)
    } else {
        None
    };
    let tx = identity.db.begin().await?;
    let changed = match proof {
        Some(proof) => access::delete_self(&tx, caller, &proof).await?,
        None => access::delete_other(&tx, caller, user).await?,
    };
    fault::around("identity.delete_user.commit", tx.commit()).await?;
    identity.in_force(changed);
    Ok(pb::DeleteUserResponse {})
}

fn parse(caller: UserId, wire: &pb::DeleteUserRequest) -> std::result::Result<DeleteUser, Violations> {
    let mut violations = Violations::new();
    let user = match wire.user_id.as_str() {
        "" => Some(caller),
        user => violations.parse("user_id", user),
    };
    let current_password = match wire.current_password.as_str() {
        "" => None,
        claimed => violations.take("current_password", Password::claimed(claimed)),
    };
    violations.finish(user.map(|user| DeleteUser { user, current_password }))
}
