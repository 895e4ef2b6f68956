use std::collections::HashMap;

use events::{Delivery, HandleError, Handler, Verdict, Wake, outbox};
use proto::identity::v1::UserDeleted;
use sea_orm::DatabaseTransaction;
use values::UserId;

use super::shop_member_changed::changed;
use crate::store::departures;

/// Ends a deleted user's work in all shops and tells others, but where nobody else owns the shop.
///
/// Whoever sees to the whole catalogue can give such a shop another owner.
pub(crate) struct OnUserDeleted {
    pub(crate) relay: Wake,
}

impl Handler for OnUserDeleted {
    type Event = UserDeleted;
    type Prepared = ();
    const DURABLE: &'static str = "inventory_user_deleted";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<UserDeleted>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<_> =
            batch.iter().map(|(delivery, ())| delivery.event.user_id.parse::<UserId>()).collect();
        let causes: HashMap<UserId, &Delivery<UserDeleted>> = (parsed.iter().zip(batch))
            .filter_map(|(user, (delivery, ()))| Some((*user.as_ref().ok()?, delivery)))
            .collect();
        let users: Vec<UserId> = causes.keys().copied().collect();

        let departures = departures::remove(tx, &users).await?;
        for shop in departures.ownerless {
            tracing::warn!(%shop, "the last owner of a shop is a deleted user: it needs another");
        }
        let mut events = Vec::with_capacity(departures.left.len());
        for left in departures.left {
            let event = changed(left.shop, left.version, left.user, None)
                .map_err(|error| HandleError::Failed(error.to_string()))?;
            events.push(match causes.get(&left.user) {
                Some(cause) => event.within(cause.span()),
                None => event,
            });
        }
        outbox::append(tx, &events).await?;
        let verdicts = parsed.into_iter().map(|user| match user {
            Ok(_) => Verdict::Done,
            Err(error) => Verdict::Reject(format!("user_id {error}")),
        });
        Ok(verdicts.collect())
    }

    fn committed(&self, _: &[(Delivery<UserDeleted>, ())]) {
        self.relay.wake();
    }
}
