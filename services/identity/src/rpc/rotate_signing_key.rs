use auth::{Customer, Permission};
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use server::wire::timestamp;
use values::{RequestId, Violations};

use super::IdentityService;
use crate::access;
use crate::error::Result;
use crate::store::audit::{self, Action};

/// Makes a new key, which signs access tokens as soon as every service knows it.
///
/// Repeating a `request_id` returns the key that it made, as long as that is served.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `PERMISSION_DENIED` the caller's roles don't allow it any more
pub(super) async fn rotate_signing_key(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::RotateSigningKeyRequest,
) -> Result<pb::RotateSigningKeyResponse> {
    let request_id = parse(&wire)?;
    let tx = identity.db.begin().await?;
    access::permit(&tx, caller, Permission::SIGNING_KEYS_ROTATE).await?;
    let (made, is_new) = identity.keys.rotate_for(&tx, caller.user_id, &request_id).await?;
    if is_new {
        audit::append(&tx, Some(caller.user_id), Action::SigningKeyRotated, None, None).await?;
    }
    fault::around("identity.rotate_signing_key.commit", tx.commit()).await?;
    identity.keys.reload(&identity.db).await?;
    Ok(pb::RotateSigningKeyResponse { kid: made.kid, active_time: Some(timestamp(made.active_at)) })
}

fn parse(wire: &pb::RotateSigningKeyRequest) -> std::result::Result<RequestId, Violations> {
    let mut violations = Violations::new();
    let request_id = violations.parse("request_id", &wire.request_id);
    violations.finish(request_id)
}
