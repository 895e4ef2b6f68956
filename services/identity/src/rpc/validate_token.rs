use auth::Error as Refused;
use proto::identity::v1 as pb;
use server::wire::timestamp;
use values::Violations;

use super::IdentityService;
use crate::error::{Error, Result};
use crate::store::users;

/// Tells whether an access token would be accepted at this moment, and what for (RFC 7662). What other services learn
/// within a second is read from the database here.
///
/// # Errors
/// `INVALID_ARGUMENT` no token
pub(super) async fn validate_token(
    identity: &IdentityService,
    wire: pb::ValidateTokenRequest,
) -> Result<pb::ValidateTokenResponse> {
    let token = parse(&wire)?;
    let customer = match identity.verifier.verify(token, identity.clock.now()).await {
        Ok(customer) => customer,
        Err(Refused::KeysUnavailable) => return Err(Error::KeysUnavailable),
        Err(
            Refused::Malformed
            | Refused::Expired
            | Refused::UnknownKey
            | Refused::Signature
            | Refused::Revoked,
        ) => return Ok(pb::ValidateTokenResponse::default()),
    };
    if !users::is_token_good(&identity.db, &customer).await? {
        return Ok(pb::ValidateTokenResponse::default());
    }
    let mut permissions: Vec<_> = customer.permissions().iter().map(ToString::to_string).collect();
    permissions.sort_unstable();
    Ok(pb::ValidateTokenResponse {
        active: true,
        user_id: customer.user_id.to_string(),
        session_id: customer.session_id.to_string(),
        expire_time: Some(timestamp(customer.expires_at())),
        permissions,
    })
}

fn parse(wire: &pb::ValidateTokenRequest) -> std::result::Result<&str, Violations> {
    let mut violations = Violations::new();
    let token = wire.access_token.trim();
    if token.is_empty() {
        violations.add("access_token", "is required");
    }
    violations.finish(Some(token))
}
