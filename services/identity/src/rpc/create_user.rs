use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;

use super::IdentityService;
use crate::domain::NewUser;
use crate::error::{Error, Result};
use crate::events::published;
use crate::registration::Registration;
use crate::store::registrations::{self, Made};
use crate::store::users::{self, UserWithRoles};

/// Registers a user and tells the other services of it.
///
/// Repeating a `request_id` with the same e-mail address, password and name returns the user that it made, by whatever
/// address they go now. Whatever else is tried with an address that is taken gets one answer, which tells nothing of the
/// user who has it.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` the e-mail address is taken, or the `request_id` was used with it
/// for another body · `FAILED_PRECONDITION` the user that it made was deleted · `RESOURCE_EXHAUSTED` too many passwords to
/// hash
pub(super) async fn create_user(identity: &IdentityService, wire: pb::CreateUserRequest) -> Result<pb::User> {
    let new = NewUser::parse(&wire.request_id, &wire.email, &wire.password, &wire.display_name)?;
    let registration = identity.registrations.of(&new);
    if let Some(earlier) = earlier(identity, &registration, &new).await? {
        return earlier.answer(identity, &new).await;
    }
    let password_hash = identity.passwords.hash(new.password.clone()).await?;
    if let Some(user) = register(identity, &registration, &new, password_hash).await? {
        return Ok(user.into());
    }
    // Somebody registered the address while the password was being hashed; it may have been this very request.
    let earlier = earlier(identity, &registration, &new).await?.ok_or(Error::EmailTaken)?;
    earlier.answer(identity, &new).await
}

/// What stands in the way of a registration, or is what it asks for.
struct Earlier {
    /// Who has the address, or has been made by such a request: the password is compared with theirs.
    user: Option<UserWithRoles>,
    /// Whether the user was asked for in the same way, but for the password.
    is_same: bool,
    is_address_taken: bool,
}

async fn earlier(
    identity: &IdentityService,
    registration: &Registration,
    new: &NewUser,
) -> Result<Option<Earlier>> {
    let holder = users::find_by_email(&identity.db, &new.email).await?;
    let is_address_taken = holder.is_some();
    let Some(Made { user, is_same }) = registrations::find(&identity.db, registration).await? else {
        // Whoever was registered by the release before is known by their own row only.
        return Ok(holder.map(|holder| Earlier {
            is_same: holder.user.was_made_by(new),
            user: Some(holder),
            is_address_taken,
        }));
    };
    Ok(Some(Earlier { user: users::find(&identity.db, user).await?, is_same, is_address_taken }))
}

impl Earlier {
    async fn answer(self, identity: &IdentityService, new: &NewUser) -> Result<pb::User> {
        // Verified whatever else differs, so that the time it takes tells nothing of the earlier request.
        let stored = self.user.as_ref().map(|made| made.user.password_hash.as_str());
        let is_same_password = identity.passwords.verify(new.password.clone(), stored).await?;
        match self.user {
            Some(user) if is_same_password && self.is_same => Ok(user.into()),
            _ if self.is_address_taken => Err(Error::EmailTaken),
            None if self.is_same => Err(Error::RegisteredAndDeleted),
            _ => Err(Error::RequestIdReused),
        }
    }
}

/// `None` if the address is taken, or the request has made somebody who is found elsewhere by now.
async fn register(
    identity: &IdentityService,
    registration: &Registration,
    new: &NewUser,
    password_hash: String,
) -> Result<Option<UserWithRoles>> {
    let tx = identity.db.begin().await?;
    let Some(user) = users::insert(&tx, new, password_hash, identity.clock.now()).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    if !registrations::insert(&tx, registration, user).await? {
        tx.rollback().await?;
        return Ok(None);
    }
    ::events::outbox::append(&tx, &[published::user_registered(user)?]).await?;
    let registered = users::read_back(&tx, user).await?;
    fault::around("identity.create_user.commit", tx.commit()).await?;
    identity.relay.wake();
    Ok(Some(registered))
}
