use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use values::{UserId, Violations};

use super::IdentityService;
use crate::access;
use crate::domain::Role;
use crate::error::Result;
use crate::store::users;

/// Gives a user a role, and outdates their access tokens.
///
/// A role that the user has already stays, and nothing happens.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `PERMISSION_DENIED` the caller's roles don't allow it any more · `NOT_FOUND` no such user or role
pub(super) async fn grant_role(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::GrantRoleRequest,
) -> Result<pb::User> {
    let (user, role) = parse(&wire.user_id, &wire.role)?;
    let tx = identity.db.begin().await?;
    let changed = access::grant(&tx, Some(caller), user, &role).await?;
    let answer = users::read_back(&tx, user).await?;
    fault::around("identity.grant_role.commit", tx.commit()).await?;
    identity.in_force(changed);
    Ok(answer.into())
}

/// Whom, and which role.
pub(super) fn parse(user: &str, role: &str) -> std::result::Result<(UserId, Role), Violations> {
    let mut violations = Violations::new();
    let user = violations.parse("user_id", user);
    let role = violations.parse("role", role);
    violations.finish(user.zip(role))
}
