use events::{Delivery, HandleError, Handler, Verdict};
use proto::identity::v1::AddressChanged;
use sea_orm::DatabaseTransaction;

use super::note_changes;
use crate::store::refreshes::{Change, Subject};

/// An address says something else: identity is to be asked for it.
pub(crate) struct OnAddressChanged;

impl Handler for OnAddressChanged {
    type Event = AddressChanged;
    type Prepared = ();
    const DURABLE: &'static str = "order_address_changed";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<AddressChanged>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let changes = batch.iter().map(|(delivery, ())| {
            let user = delivery.event.user_id.parse()?;
            Ok(Change { user, subject: Subject::Address(delivery.event.address_id.parse()?) })
        });
        note_changes(tx, changes).await
    }
}
