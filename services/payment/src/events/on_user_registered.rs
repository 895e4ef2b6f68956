use events::{Delivery, HandleError, Handler, Verdict};
use proto::identity::v1::UserRegistered;
use sea_orm::DatabaseTransaction;
use values::{Currency, UserId};

use super::reference;
use crate::store::wallets;

/// Opens a wallet in the shop's own currency. Nobody waits for it: whatever needs one first opens it too.
pub(crate) struct OnUserRegistered {
    pub(crate) currency: Currency,
}

impl Handler for OnUserRegistered {
    type Event = UserRegistered;
    type Prepared = ();
    const DURABLE: &'static str = "payment_user_registered";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<UserRegistered>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<Result<UserId, String>> =
            batch.iter().map(|(delivery, ())| reference("user_id", &delivery.event.user_id)).collect();
        let users: Vec<UserId> = parsed.iter().flatten().copied().collect();
        wallets::open(tx, &users, self.currency).await?;
        Ok(parsed.into_iter().map(|user| user.map_or_else(Verdict::Reject, |_| Verdict::Done)).collect())
    }
}
