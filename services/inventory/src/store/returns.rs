use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{LocationId, OfferId, ReservationId, ReturnId};

use super::sql;
use crate::domain::Shelf;

/// What has come back already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Returned {
    /// Which returns are on the shelves.
    pub(crate) returns: BTreeSet<ReturnId>,
    /// How many copies of each reservation, and where.
    pub(crate) copies: BTreeMap<ReservationId, BTreeMap<Shelf, i64>>,
}

#[derive(FromQueryResult)]
struct Row {
    reservation_id: Uuid,
    return_id: Uuid,
    offer_id: Uuid,
    location_id: Uuid,
    change: i64,
}

/// What of the locked reservations has come back already.
pub(crate) async fn of(
    tx: &impl ConnectionTrait,
    reservations: impl Iterator<Item = ReservationId>,
) -> Result<Returned, DbErr> {
    let read = sql(
        "SELECT reservation_id, return_id, offer_id, location_id, change
         FROM stock_movements
         WHERE reservation_id = ANY($1) AND return_id IS NOT NULL",
        [reservations.map(ReservationId::uuid).collect::<Vec<_>>().into()],
    );
    let mut returned = Returned::default();
    for row in Row::find_by_statement(read).all(tx).await? {
        returned.returns.insert(ReturnId::from_uuid(row.return_id));
        let copies = returned.copies.entry(ReservationId::from_uuid(row.reservation_id)).or_default();
        let offer = OfferId::from_uuid(row.offer_id);
        *copies.entry(Shelf { offer, location: LocationId::from_uuid(row.location_id) }).or_default() +=
            row.change;
    }
    Ok(returned)
}

/// Copies to put back on a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) shelf: Shelf,
    pub(crate) copies: i64,
    pub(crate) reservation: ReservationId,
    pub(crate) cause: ReturnId,
}

/// Puts returned copies back on their shelves, with one statement.
///
/// Locks the shelves in the order of (offer, location).
pub(crate) async fn put_back(tx: &impl ConnectionTrait, back: &[Back]) -> Result<(), DbErr> {
    if back.is_empty() {
        return Ok(());
    }
    let write = sql(
        "WITH returned AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[])
                  AS returned (offer_id, location_id, copies, reservation_id, return_id)
         ), shelves AS (
             SELECT offer_id, location_id, copies
             FROM stock
             JOIN (SELECT offer_id, location_id, sum(copies)::bigint AS copies FROM returned GROUP BY 1, 2) AS shelf
                  USING (offer_id, location_id)
             ORDER BY offer_id, location_id
             FOR UPDATE OF stock
         ), counted AS (
             UPDATE stock SET on_hand = on_hand + copies
             FROM shelves
             WHERE stock.offer_id = shelves.offer_id AND stock.location_id = shelves.location_id
         )
         INSERT INTO stock_movements (offer_id, location_id, change, kind, reservation_id, return_id)
         SELECT offer_id, location_id, copies, 'RETURNED', reservation_id, return_id FROM returned",
        [
            back.iter().map(|back| back.shelf.offer.uuid()).collect::<Vec<_>>().into(),
            back.iter().map(|back| back.shelf.location.uuid()).collect::<Vec<_>>().into(),
            back.iter().map(|back| back.copies).collect::<Vec<_>>().into(),
            back.iter().map(|back| back.reservation.uuid()).collect::<Vec<_>>().into(),
            back.iter().map(|back| back.cause.uuid()).collect::<Vec<_>>().into(),
        ],
    );
    tx.execute_raw(write).await?;
    Ok(())
}
