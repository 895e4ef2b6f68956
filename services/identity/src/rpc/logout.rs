use auth::Customer;
use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;

use super::IdentityService;
use crate::error::Result;
use crate::events::published;
use crate::store::sessions;

/// Ends the session of the caller's token. This replica refuses its tokens when it answers, all others within a second.
///
/// A session that has ended stays ended, and nothing happens.
pub(super) async fn logout(identity: &IdentityService, caller: &Customer) -> Result<pb::LogoutResponse> {
    let session = caller.session_id;
    let tx = identity.db.begin().await?;
    if sessions::end(&tx, session, caller.user_id).await? {
        ::events::outbox::append(&tx, &[published::session_revoked(session)?]).await?;
    }
    fault::around("identity.logout.commit", tx.commit()).await?;
    identity.revocations.revoke_session(session, identity.clock.now());
    identity.relay.wake();
    Ok(pb::LogoutResponse {})
}
