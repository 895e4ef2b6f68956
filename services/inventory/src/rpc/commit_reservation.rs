use proto::inventory::v1 as pb;
use values::{ReservationId, Violations};

use super::Inventory;
use crate::error::Error;

fn parse(wire: &pb::CommitReservationRequest) -> Result<ReservationId, Violations> {
    let mut violations = Violations::new();
    let reservation = violations.parse("reservation_id", &wire.reservation_id);
    violations.finish(reservation)
}

/// Takes what is reserved out of the stock; look at the state of the answer.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` reservation
pub(super) async fn commit_reservation(
    inventory: &Inventory,
    wire: pb::CommitReservationRequest,
) -> Result<pb::Reservation, Error> {
    let id = parse(&wire)?;
    let reservation = inventory.commit.submit(id).await?;
    reservation.map(pb::Reservation::from).ok_or_else(|| Error::not_found("reservation", &id))
}
