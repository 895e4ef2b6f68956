use std::collections::BTreeSet;

use proto::inventory::v1 as pb;
use values::{OfferId, Quantity, Violations};

use super::{Inventory, lines};
use crate::{error::Error, store};

fn parse(wire: &pb::CheckAvailabilityRequest) -> Result<Vec<(OfferId, Quantity)>, Violations> {
    let mut violations = Violations::new();
    let lines = lines::parse(&mut violations, &wire.lines);
    violations.finish(lines)
}

/// Tells for each line whether it could be reserved now.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field
pub(super) async fn check_availability(
    inventory: &Inventory,
    wire: pb::CheckAvailabilityRequest,
) -> Result<pb::CheckAvailabilityResponse, Error> {
    let asked = parse(&wire)?;
    let found = store::availability::of(&inventory.db, asked.iter().map(|&(offer, _)| offer)).await?;
    let lines: Vec<_> = (asked.into_iter())
        .map(|(offer, quantity)| {
            let availability = found.get(&offer);
            let copies = availability.map_or(0, |availability| availability.copies);
            pb::LineAvailability {
                offer_id: offer.to_string(),
                available_quantity: copies,
                unit_price: availability.map(|availability| server::wire::money(availability.unit_price)),
                available: i64::from(quantity.get()) <= copies,
            }
        })
        .collect();
    let currencies: BTreeSet<_> =
        found.values().map(|availability| availability.unit_price.currency()).collect();
    // A reservation is all lines or none, in one currency.
    let available = currencies.len() == 1 && lines.iter().all(|line| line.available);
    Ok(pb::CheckAvailabilityResponse { lines, available })
}
