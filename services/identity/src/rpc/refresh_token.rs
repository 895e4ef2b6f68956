use proto::identity::v1 as pb;
use sea_orm::{DatabaseTransaction, TransactionTrait};
use values::{RequestId, Violations};

use super::IdentityService;
use crate::error::{Error, Result};
use crate::events::published;
use crate::refresh::RefreshToken;
use crate::sign_in::{self, GoesOnWith};
use crate::store::audit::Action;
use crate::store::refresh_tokens::Shown;
use crate::store::{audit, refresh_tokens, sessions, users};

/// Exchanges a refresh token for a new access token, which tells what the user may do now, and the next refresh token.
///
/// A token that has been used was stolen from one of the two who show it, and nobody knows from which: the session ends.
/// The same request again is no theft. It gets the same refresh token as long as that has not been used.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `UNAUTHENTICATED` unknown, used or expired, or its session has ended
pub(super) async fn refresh_token(
    identity: &IdentityService,
    wire: pb::RefreshTokenRequest,
) -> Result<pb::AuthenticateUserResponse> {
    let (request_id, text) = parse(&wire)?;
    let token = RefreshToken::parse(text).ok_or(Error::RefreshTokenInvalid)?;
    let tx = identity.db.begin().await?;
    let shown = refresh_tokens::lock(&tx, &token.hash()).await?.ok_or(Error::RefreshTokenInvalid)?;
    if shown.has_session_ended {
        return Err(Error::SessionEnded);
    }
    let next = match shown.used_by.as_deref() {
        None if shown.has_expired => return Err(Error::RefreshTokenExpired),
        None => exchange(identity, &tx, &shown, &token, &request_id).await?,
        Some(earlier) if earlier == request_id.as_str() => {
            again(identity, &tx, &shown, &token, &request_id).await?
        }
        Some(_) => {
            end_for_reuse(identity, tx, &shown).await?;
            return Err(Error::RefreshTokenReused);
        }
    };
    sessions::go_on(&tx, next.session).await?;
    let user = users::find_with_access(&tx, shown.user()).await?.ok_or(Error::RefreshTokenInvalid)?;
    let key = identity.keys.current(&tx).await?;
    fault::around("identity.refresh_token.commit", tx.commit()).await?;
    sign_in::answer(identity, key, user, &next)
}

async fn exchange(
    identity: &IdentityService,
    tx: &DatabaseTransaction,
    shown: &Shown,
    token: &RefreshToken,
    request_id: &RequestId,
) -> Result<GoesOnWith> {
    let successor = identity.refresh_tokens.after(token, request_id);
    refresh_tokens::use_up(tx, &token.hash(), request_id).await?;
    let ttl = identity.refresh_tokens.ttl();
    let expires_at = refresh_tokens::issue(tx, shown.session(), &successor.hash(), ttl).await?;
    Ok(GoesOnWith { session: shown.session(), token: successor, expires_at })
}

/// What the same request was answered with.
async fn again(
    identity: &IdentityService,
    tx: &DatabaseTransaction,
    shown: &Shown,
    token: &RefreshToken,
    request_id: &RequestId,
) -> Result<GoesOnWith> {
    let successor = identity.refresh_tokens.after(token, request_id);
    // Used: a late repeat, whose sender has long gone on. Gone: identity has another key than when it answered.
    let expires_at = refresh_tokens::end_of_unused(tx, &successor.hash()).await?;
    let expires_at = expires_at.ok_or(Error::RefreshTokenReused)?;
    Ok(GoesOnWith { session: shown.session(), token: successor, expires_at })
}

async fn end_for_reuse(identity: &IdentityService, tx: DatabaseTransaction, shown: &Shown) -> Result<()> {
    let session = shown.session();
    if sessions::end(&tx, session, shown.user()).await? {
        audit::append(&tx, None, Action::RefreshTokenReused, Some(shown.user()), None).await?;
        ::events::outbox::append(&tx, &[published::session_revoked(session)?]).await?;
    }
    fault::around("identity.refresh_token_reused.commit", tx.commit()).await?;
    identity.revocations.revoke_session(session, identity.clock.now());
    identity.relay.wake();
    Ok(())
}

fn parse(wire: &pb::RefreshTokenRequest) -> std::result::Result<(RequestId, &str), Violations> {
    let mut violations = Violations::new();
    let request_id = violations.parse("request_id", &wire.request_id);
    let token = wire.refresh_token.as_str();
    if token.is_empty() {
        violations.add("refresh_token", "is required");
    }
    violations.finish(request_id.map(|request_id| (request_id, token)))
}
