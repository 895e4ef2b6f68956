use std::collections::BTreeMap;

use events::{Delivery, HandleError, Handler, Verdict};
use proto::order::v1::OrderReturned;
use sea_orm::DatabaseTransaction;
use values::{OfferId, Quantity, ReservationId, ReturnId, Violations};

use crate::{
    domain::{self, CannotPutBack, Reservation},
    store::{
        self,
        returns::{Back, Returned},
    },
};

/// Puts what customers returned back on the shelves that it was picked from, where the shop wants it there.
pub(crate) struct OnOrderReturned;

/// What a delivery says.
struct Return {
    id: ReturnId,
    reservation: ReservationId,
    items: Vec<(OfferId, Quantity)>,
}

impl Return {
    fn parse(event: &OrderReturned) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let id = violations.parse("return_id", &event.return_id);
        let reservation = violations.parse("reservation_id", &event.reservation_id);
        let items: Vec<_> = (event.items.iter().enumerate())
            .map(|(index, item)| {
                let offer = violations.parse(format!("items[{index}].offer_id"), &item.offer_id);
                let quantity =
                    violations.take(format!("items[{index}].quantity"), Quantity::try_from(item.quantity));
                offer.zip(quantity)
            })
            .collect();
        let items: Option<Vec<_>> = items.into_iter().collect();
        let parsed = (|| Some(Self { id: id?, reservation: reservation?, items: items? }))();
        violations.finish(parsed)
    }
}

impl Handler for OnOrderReturned {
    type Event = OrderReturned;
    type Prepared = ();
    const DURABLE: &'static str = "inventory_order_returned";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<OrderReturned>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<_> = batch.iter().map(|(delivery, ())| Return::parse(&delivery.event)).collect();
        let wanted = |index: usize| batch[index].0.event.restock;
        let reservations = (parsed.iter().enumerate())
            .filter(|&(index, _)| wanted(index))
            .filter_map(|(_, parsed)| parsed.as_ref().ok().map(|parsed| parsed.reservation));
        let locked = store::reservations::lock(tx, reservations).await?;
        let locked: BTreeMap<ReservationId, Reservation> =
            locked.into_iter().map(|locked| (locked.id, locked)).collect();
        let mut returned = store::returns::of(tx, locked.keys().copied()).await?;

        let mut back = Vec::new();
        let mut verdicts = Vec::with_capacity(batch.len());
        for (index, parsed) in parsed.into_iter().enumerate() {
            verdicts.push(match parsed {
                Err(violations) => Verdict::Reject(violations.to_string()),
                Ok(_) if !wanted(index) => Verdict::Done,
                Ok(parsed) => put_back(&parsed, &locked, &mut returned, &mut back),
            });
        }
        store::returns::put_back(tx, &back).await?;
        Ok(verdicts)
    }
}

fn put_back(
    from: &Return,
    locked: &BTreeMap<ReservationId, Reservation>,
    returned: &mut Returned,
    back: &mut Vec<Back>,
) -> Verdict {
    let Some(reservation) = locked.get(&from.reservation) else { return Verdict::TooEarly };
    if returned.returns.contains(&from.id) {
        return Verdict::Done;
    }
    let before = returned.copies.entry(from.reservation).or_default();
    match domain::put_back(reservation, before, &from.items) {
        Ok(shelves) => {
            returned.returns.insert(from.id);
            back.extend(shelves.into_iter().map(|(shelf, copies)| Back {
                shelf,
                copies,
                reservation: from.reservation,
                cause: from.id,
            }));
            Verdict::Done
        }
        Err(CannotPutBack::NotYetSold) => Verdict::TooEarly,
        Err(why @ (CannotPutBack::GivenBack | CannotPutBack::TooMany(_))) => Verdict::Reject(why.to_string()),
    }
}
