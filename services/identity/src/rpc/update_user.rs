use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use server::wire::parse_mask;
use values::{Violations, text};

use super::{IdentityService, check_etag};
use crate::domain::{Password, ProfileChange};
use crate::error::{Error, Result};
use crate::events::published;
use crate::proof::Proof;
use crate::store::users;

struct UpdateUser {
    change: ProfileChange,
    etag: String,
    current_password: Option<Password>,
}

/// Changes what the caller is called or signs in with, and tells the other services that it did.
///
/// What the user is called already changes nothing, whatever the `etag`: so the request may be repeated.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `FAILED_PRECONDITION` the e-mail changes and the password is missing or wrong
/// · `ALREADY_EXISTS` another user has that e-mail · `ABORTED` changed since the `etag` was read
pub(super) async fn update_user(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::UpdateUserRequest,
) -> Result<pb::User> {
    let UpdateUser { change, etag, current_password } = parse(&wire)?;
    let known = users::find(&identity.db, caller.user_id).await?.ok_or(Error::CallerGone)?;
    let proof = if change.moves(&known.user.email) {
        let turn = identity.passwords.turn(caller.user_id)?;
        Some(Proof::take(&turn, &known.user, current_password).await?)
    } else {
        None
    };
    let tx = identity.db.begin().await?;
    let before = users::lock_and_read(&tx, caller.user_id).await?.ok_or(Error::CallerGone)?;
    if !change.changes(&before.user.email, &before.user.display_name) {
        return Ok(before.into());
    }
    if change.moves(&before.user.email) {
        proof.ok_or(Error::WrongPassword)?.check(&before.user)?;
    }
    let etag_now = before.etag();
    check_etag(&etag, &etag_now)?;
    let version = users::update_profile(&tx, caller.user_id, &change).await?.ok_or(Error::EmailTaken)?;
    ::events::outbox::append(&tx, &[published::profile_updated(caller.user_id, version)?]).await?;
    let after = users::read_back(&tx, caller.user_id).await?;
    fault::around("identity.update_user.commit", tx.commit()).await?;
    identity.relay.wake();
    Ok(after.into())
}

fn parse(wire: &pb::UpdateUserRequest) -> std::result::Result<UpdateUser, Violations> {
    let mut violations = Violations::new();
    let mask =
        parse_mask(&mut violations, "update_mask", wire.update_mask.as_ref(), &["display_name", "email"])
            .unwrap_or_default();
    let mut change = ProfileChange::default();
    if mask.contains("display_name") {
        change.display_name = violations.take("display_name", text(&wire.display_name, 1..=100));
    }
    if mask.contains("email") {
        change.email = violations.parse("email", &wire.email);
    }
    let current_password = match wire.current_password.as_str() {
        "" => None,
        claimed => violations.take("current_password", Password::claimed(claimed)),
    };
    violations.finish(Some(UpdateUser { change, etag: wire.etag.clone(), current_password }))
}
