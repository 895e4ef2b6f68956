//! What somebody gets who has proved who they are: with a password, or with the refresh token of an earlier answer.

use auth::{Issuer, SigningKey};
use chrono::{DateTime, Utc};
use proto::identity::v1 as pb;
use secrecy::ExposeSecret as _;
use server::wire::timestamp;
use values::SessionId;

use crate::error::Result;
use crate::refresh::RefreshToken;
use crate::rpc::IdentityService;
use crate::store::users::{UserWithAccess, UserWithRoles};

/// A session goes on with this token.
pub(crate) struct GoesOnWith {
    pub(crate) session: SessionId,
    pub(crate) token: RefreshToken,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Signs an access token for what the user may do. Key and user were read in the transaction that began the session or
/// let it go on.
pub(crate) fn answer(
    identity: &IdentityService,
    key: SigningKey,
    user: UserWithAccess,
    next: &GoesOnWith,
) -> Result<pb::AuthenticateUserResponse> {
    let access = user.access();
    let UserWithAccess { user, roles, .. } = user;
    let issuer = Issuer::new(key, identity.token_ttl);
    let token = issuer.issue(user.user_id(), next.session, &access, identity.clock.now())?;
    Ok(pb::AuthenticateUserResponse {
        access_token: token.token.expose_secret().to_owned(),
        expire_time: Some(timestamp(token.expires_at)),
        user: Some(UserWithRoles { user, roles }.into()),
        refresh_token: next.token.to_text().expose_secret().to_owned(),
        refresh_expire_time: Some(timestamp(next.expires_at)),
    })
}
