use proto::inventory::v1 as pb;
use values::{ReservationId, Violations};

use super::Inventory;
use crate::error::Error;

fn parse(wire: &pb::ReleaseReservationRequest) -> Result<ReservationId, Violations> {
    let mut violations = Violations::new();
    let reservation = violations.parse("reservation_id", &wire.reservation_id);
    violations.finish(reservation)
}

/// Gives what is reserved back; a COMMITTED reservation stays as it is.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` reservation
pub(super) async fn release_reservation(
    inventory: &Inventory,
    wire: pb::ReleaseReservationRequest,
) -> Result<pb::Reservation, Error> {
    let id = parse(&wire)?;
    let reservation = inventory.release.submit(id).await?;
    reservation.map(pb::Reservation::from).ok_or_else(|| Error::not_found("reservation", &id))
}
