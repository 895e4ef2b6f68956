use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;

use super::{IdentityService, grant_role};
use crate::access;
use crate::error::Result;
use crate::store::users;

/// Takes a role from a user, and outdates their access tokens.
///
/// A role that the user doesn't have stays away, and nothing happens.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `PERMISSION_DENIED` the caller's roles don't allow it any more · `NOT_FOUND` no such user or role · `FAILED_PRECONDITION` the last admin stays
pub(super) async fn revoke_role(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::RevokeRoleRequest,
) -> Result<pb::User> {
    let (user, role) = grant_role::parse(&wire.user_id, &wire.role)?;
    let tx = identity.db.begin().await?;
    let changed = access::revoke(&tx, caller, user, &role).await?;
    let answer = users::read_back(&tx, user).await?;
    fault::around("identity.revoke_role.commit", tx.commit()).await?;
    identity.in_force(changed);
    Ok(answer.into())
}
