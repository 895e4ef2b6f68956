use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use values::Violations;

use super::IdentityService;
use crate::domain::Password;
use crate::error::{Error, Result};
use crate::events::published;
use crate::proof::Proof;
use crate::store::audit::Action;
use crate::store::{audit, sessions, users};

/// Changes the caller's password and ends every other session of theirs: whoever knew the old one is out.
///
/// Repeated after it was done, the new password is the current one already, and what began since ends: whoever asks for
/// the password that is in force can't be told that the others are out while they are not.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `FAILED_PRECONDITION` the current password is wrong · `RESOURCE_EXHAUSTED` too
/// many passwords to hash
pub(super) async fn change_password(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::ChangePasswordRequest,
) -> Result<pb::ChangePasswordResponse> {
    let (current, new) = parse(&wire)?;
    let known = users::find(&identity.db, caller.user_id).await?.ok_or(Error::CallerGone)?.user;
    let turn = identity.passwords.turn(caller.user_id)?;
    let (proof, hash) = match Proof::take(&turn, &known, Some(current)).await {
        Err(Error::WrongPassword) => (Proof::take(&turn, &known, Some(new)).await?, None),
        proof => (proof?, Some(turn.hash(new).await?)),
    };
    drop(turn);
    let tx = identity.db.begin().await?;
    let locked = users::lock_and_read(&tx, caller.user_id).await?.ok_or(Error::CallerGone)?;
    proof.check(&locked.user)?;
    if let Some(hash) = hash {
        users::set_password(&tx, caller.user_id, &hash).await?;
        audit::append(&tx, Some(caller.user_id), Action::PasswordChanged, Some(caller.user_id), None).await?;
    }
    let ended = sessions::end_others(&tx, caller).await?;
    let events: std::result::Result<Vec<_>, _> =
        ended.iter().map(|session| published::session_revoked(*session)).collect();
    ::events::outbox::append(&tx, &events?).await?;
    fault::around("identity.change_password.commit", tx.commit()).await?;
    let now = identity.clock.now();
    for session in ended {
        identity.revocations.revoke_session(session, now);
    }
    identity.relay.wake();
    Ok(pb::ChangePasswordResponse {})
}

fn parse(wire: &pb::ChangePasswordRequest) -> std::result::Result<(Password, Password), Violations> {
    let mut violations = Violations::new();
    let current = violations.take("current_password", Password::claimed(&wire.current_password));
    let new = violations.take("new_password", Password::chosen(&wire.new_password));
    violations.finish(current.zip(new))
}
