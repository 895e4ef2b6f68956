use events::{Delivery, HandleError, Handler, Verdict};
use proto::identity::v1::UserDeleted;
use sea_orm::DatabaseTransaction;
use values::UserId;

use super::reference;
use crate::store::{cards, wallets};

/// Closes a user's wallets for good and forgets their cards; an event that comes later can't open them again.
pub(crate) struct OnUserDeleted;

impl Handler for OnUserDeleted {
    type Event = UserDeleted;
    type Prepared = ();
    const DURABLE: &'static str = "payment_user_deleted";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<UserDeleted>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<Result<UserId, String>> =
            batch.iter().map(|(delivery, ())| reference("user_id", &delivery.event.user_id)).collect();
        let users: Vec<UserId> = parsed.iter().flatten().copied().collect();
        wallets::close(tx, &users).await?;
        cards::delete(tx, &users).await?;
        Ok(parsed.into_iter().map(|user| user.map_or_else(Verdict::Reject, |_| Verdict::Done)).collect())
    }
}
