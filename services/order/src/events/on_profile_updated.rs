use events::{Delivery, HandleError, Handler, Verdict};
use proto::identity::v1::ProfileUpdated;
use sea_orm::DatabaseTransaction;

use super::note_changes;
use crate::store::refreshes::{Change, Subject};

/// What a user is called may have changed: identity is to be asked for it.
pub(crate) struct OnProfileUpdated;

impl Handler for OnProfileUpdated {
    type Event = ProfileUpdated;
    type Prepared = ();
    const DURABLE: &'static str = "order_profile_updated";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<ProfileUpdated>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let changes = batch.iter().map(|(delivery, ())| {
            let user = delivery.event.user_id.parse()?;
            Ok(Change { user, subject: Subject::Name })
        });
        note_changes(tx, changes).await
    }
}
