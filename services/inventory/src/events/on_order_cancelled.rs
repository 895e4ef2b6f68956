use std::collections::BTreeSet;

use events::{Delivery, HandleError, Handler, Verdict};
use proto::order::v1::OrderCancelled;
use sea_orm::DatabaseTransaction;
use values::ReservationId;

use crate::{domain::Trigger, steps::settle_locked, store};

/// Gives back what cancelled orders had reserved, or puts back on the shelf what they had bought.
///
/// A reservation is made before its order, so one that isn't known will never be.
pub(crate) struct OnOrderCancelled;

impl Handler for OnOrderCancelled {
    type Event = OrderCancelled;
    type Prepared = ();
    const DURABLE: &'static str = "inventory_order_cancelled";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<OrderCancelled>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<_> = batch
            .iter()
            .map(|(delivery, ())| delivery.event.reservation_id.parse::<ReservationId>())
            .collect();
        let ids: BTreeSet<ReservationId> = parsed.iter().flatten().copied().collect();
        let locked = store::reservations::lock(tx, ids.into_iter()).await?;
        let holdings = settle_locked(tx, locked, Trigger::Cancel).await?;
        Ok(parsed
            .into_iter()
            .map(|id| match id {
                Ok(id) if holdings.reservation(id).is_some() => Verdict::Done,
                Ok(id) => Verdict::Reject(format!("there is no reservation {id}")),
                Err(error) => Verdict::Reject(format!("reservation_id {error}")),
            })
            .collect())
    }
}
