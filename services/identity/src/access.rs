//! Changes of what a user may do: the row, the version that outdates earlier tokens, the audit entry and the event are
//! one transaction.

use auth::{Customer, Permission};
use sea_orm::DatabaseTransaction;
use values::UserId;

use crate::domain::Role;
use crate::error::{Error, Result};
use crate::events::published;
use crate::store::audit::Action;
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
        permit(tx, caller).await?;
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
    permit(tx, by).await?;
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

/// The caller's token says so, but may be outdated where no event has come to tell: neither an admin who was dismissed nor
/// whoever stole the token of one who has signed out since may use the time to make themselves admin for good.
///
/// Under the lock of the role admin, which a dismissal holds until its commit: what is read here is still so at ours.
async fn permit(tx: &DatabaseTransaction, caller: &Customer) -> Result<()> {
    roles::lock(tx, &Role::admin()).await?;
    let is_permitted = roles::allow(tx, caller, Permission::ROLES_GRANT).await?;
    if is_permitted { Ok(()) } else { Err(Error::MayNot(Permission::ROLES_GRANT)) }
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
    audit::append(tx, by, action, user, role).await?;
    let least_version = users::raise_access_version(tx, user).await?;
    let event = published::access_changed(user, least_version)?;
    ::events::outbox::append(tx, &[event]).await?;
    Ok(Changed { user, least_version })
}
