//! Changes of what a user may do, up to being there at all: the row, the version that outdates earlier tokens, the audit
//! entry and the events are one transaction.

use auth::{Customer, Permission};
use sea_orm::DatabaseTransaction;
use values::UserId;

use crate::domain::Role;
use crate::error::{Error, Result};
use crate::events::published;
use crate::proof::Proof;
use crate::store::audit::Action;
use crate::store::users::UserWithRoles;
use crate::store::{audit, roles, users};

/// A change that has been written and is in force with the commit.
#[must_use = "tokens of a lower version are to be refused"]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) user: UserId,
    pub(crate) least_version: i64,
}

/// Gives a user a role; nobody in person is the configuration. `None` if they have it: then nothing happens.
pub(crate) async fn grant(
    tx: &DatabaseTransaction,
    by: Option<&Customer>,
    user: UserId,
    role: &Role,
) -> Result<Option<Changed>> {
    if let Some(caller) = by {
        permit(tx, caller, Permission::ROLES_GRANT).await?;
    }
    let by = by.map(|caller| caller.user_id);
    lock(tx, user, role).await?;
    if !roles::grant(tx, user, role, by).await? {
        return Ok(None);
    }
    written(tx, by, Action::RoleGranted, user, role).await.map(Some)
}

/// Takes a role from a user, but not the last admin's. `None` if they don't have it: then nothing happens.
pub(crate) async fn revoke(
    tx: &DatabaseTransaction,
    by: &Customer,
    user: UserId,
    role: &Role,
) -> Result<Option<Changed>> {
    permit(tx, by, Permission::ROLES_GRANT).await?;
    lock(tx, user, role).await?;
    if !roles::revoke(tx, user, role).await? {
        return Ok(None);
    }
    // The table refuses it too, at the commit; this is the answer that the caller understands.
    if role.is_admin() && !roles::is_held(tx, role).await? {
        return Err(Error::LastAdmin);
    }
    written(tx, Some(by.user_id), Action::RoleRevoked, user, role).await.map(Some)
}

/// Deletes the caller, who has shown the password. `None` if they are gone already.
pub(crate) async fn delete_self(
    tx: &DatabaseTransaction,
    caller: &Customer,
    proof: &Proof,
) -> Result<Option<Changed>> {
    roles::lock(tx, &Role::admin()).await?;
    match users::lock_and_read(tx, caller.user_id).await? {
        Some(locked) => {
            proof.check(&locked.user)?;
            deleted(tx, caller.user_id, &locked).await.map(Some)
        }
        None => Ok(None),
    }
}

/// Deletes another user than the caller. `None` if they are gone already.
pub(crate) async fn delete_other(
    tx: &DatabaseTransaction,
    caller: &Customer,
    user: UserId,
) -> Result<Option<Changed>> {
    permit(tx, caller, Permission::USERS_DELETE).await?;
    match users::lock_and_read(tx, user).await? {
        Some(locked) => deleted(tx, caller.user_id, &locked).await.map(Some),
        None => Ok(None),
    }
}

async fn deleted(tx: &DatabaseTransaction, by: UserId, locked: &UserWithRoles) -> Result<Changed> {
    let user = locked.user.user_id();
    let least_version = users::raise_access_version(tx, user).await?;
    users::delete(tx, user).await?;
    let admin = Role::admin();
    if locked.roles.iter().any(|role| role == admin.as_str()) && !roles::is_held(tx, &admin).await? {
        return Err(Error::LastAdmin);
    }
    audit::append(tx, Some(by), Action::UserDeleted, Some(user), None).await?;
    let events =
        [published::access_changed(user, least_version)?, published::user_deleted(user, least_version)?];
    ::events::outbox::append(tx, &events).await?;
    Ok(Changed { user, least_version })
}

/// The caller's token says so, but may be outdated where no event has come to tell: neither an admin who was dismissed nor
/// whoever stole the token of one who has signed out since may use the time to make themselves admin for good.
///
/// Under the lock of the role admin, which a dismissal holds until its commit: what is read here is still so at ours.
pub(crate) async fn permit(
    tx: &DatabaseTransaction,
    caller: &Customer,
    permission: Permission,
) -> Result<()> {
    roles::lock(tx, &Role::admin()).await?;
    let is_permitted = roles::allow(tx, caller, permission).await?;
    if is_permitted { Ok(()) } else { Err(Error::MayNot(permission)) }
}

async fn lock(tx: &DatabaseTransaction, user: UserId, role: &Role) -> Result<()> {
    if !roles::lock(tx, role).await? {
        return Err(Error::NotFound { kind: "role", id: role.to_string() });
    }
    if !users::lock(tx, user).await? {
        return Err(Error::NotFound { kind: "user", id: user.to_string() });
    }
    Ok(())
}

async fn written(
    tx: &DatabaseTransaction,
    by: Option<UserId>,
    action: Action,
    user: UserId,
    role: &Role,
) -> Result<Changed> {
    audit::append(tx, by, action, Some(user), Some(role)).await?;
    let least_version = users::raise_access_version(tx, user).await?;
    let event = published::access_changed(user, least_version)?;
    ::events::outbox::append(tx, &[event]).await?;
    Ok(Changed { user, least_version })
}
