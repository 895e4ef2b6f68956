use events::{Delivery, HandleError, Handler, Verdict};
use proto::identity::v1::UserDeleted;
use sea_orm::DatabaseTransaction;
use values::UserId;

use crate::store::erasure;

/// A user is gone: what is kept of them is erased from orders that have ended, and from the others once they end.
pub(crate) struct OnUserDeleted;

impl Handler for OnUserDeleted {
    type Event = UserDeleted;
    type Prepared = ();
    const DURABLE: &'static str = "order_user_deleted";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<UserDeleted>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let told: Vec<_> =
            batch.iter().map(|(delivery, ())| delivery.event.user_id.parse::<UserId>()).collect();
        erasure::of_users(tx, told.iter().flatten().copied().collect()).await?;
        let verdicts = told.into_iter().map(|user| match user {
            Ok(_) => Verdict::Done,
            Err(error) => Verdict::Reject(format!("user_id {error}")),
        });
        Ok(verdicts.collect())
    }
}
