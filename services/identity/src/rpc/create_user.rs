use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;

use super::IdentityService;
use crate::domain::NewUser;
use crate::error::{Error, Result};
use crate::events::published;
use crate::store::users::{self, UserWithRoles};

/// Registers a user and tells the other services of it.
///
/// Repeating a `request_id` with the same e-mail address, password and name returns the user that it made. Whatever
/// else is tried with an address that is taken gets one answer, which tells nothing of the user who has it.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` the e-mail address is taken · `RESOURCE_EXHAUSTED` too many
/// passwords to hash
pub(super) async fn create_user(identity: &IdentityService, wire: pb::CreateUserRequest) -> Result<pb::User> {
    let new = NewUser::parse(&wire.request_id, &wire.email, &wire.password, &wire.display_name)?;
    if let Some(holder) = users::find_by_email(&identity.db, &new.email).await? {
        return registered_before(identity, holder, &new).await;
    }
    let password_hash = identity.passwords.hash(new.password.clone()).await?;
    if let Some(user) = register(identity, &new, password_hash).await? {
        return Ok(user.into());
    }
    // Somebody registered the address while the password was being hashed; it may have been this very request.
    let holder = users::find_by_email(&identity.db, &new.email).await?.ok_or(Error::EmailTaken)?;
    registered_before(identity, holder, &new).await
}

async fn registered_before(
    identity: &IdentityService,
    holder: UserWithRoles,
    new: &NewUser,
) -> Result<pb::User> {
    // Verified whatever else differs, so that the time it takes tells nothing of the earlier request.
    let is_same_password =
        identity.passwords.verify(new.password.clone(), Some(&holder.user.password_hash)).await?;
    if is_same_password && holder.user.was_made_by(new) { Ok(holder.into()) } else { Err(Error::EmailTaken) }
}

async fn register(
    identity: &IdentityService,
    new: &NewUser,
    password_hash: String,
) -> Result<Option<UserWithRoles>> {
    let tx = identity.db.begin().await?;
    let Some(user) = users::insert(&tx, new, password_hash, identity.clock.now()).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    ::events::outbox::append(&tx, &[published::user_registered(user)?]).await?;
    let registered = users::read_back(&tx, user).await?;
    tx.commit().await?;
    identity.relay.wake();
    Ok(Some(registered))
}
