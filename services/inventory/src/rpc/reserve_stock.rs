use proto::inventory::v1 as pb;
use values::{Fingerprint, Violations};

use super::{Inventory, lines};
use crate::{domain::ReserveRequest, error::Error};

fn parse(wire: &pb::ReserveStockRequest) -> Result<ReserveRequest, Violations> {
    let mut violations = Violations::new();
    let key = violations.parse("key", &wire.key);
    let lines = lines::parse(&mut violations, &wire.lines);
    let parsed = key.zip(lines).map(|(key, lines)| {
        let fingerprint = Fingerprint::of(&lines);
        ReserveRequest { key, fingerprint, lines }
    });
    violations.finish(parsed)
}

/// Sets stock aside for an order, all lines or none; together with others who ask at the same time.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` offer · `FAILED_PRECONDITION` out of stock, or several currencies
/// · `ALREADY_EXISTS` same key, other lines
pub(super) async fn reserve_stock(
    inventory: &Inventory,
    wire: pb::ReserveStockRequest,
) -> Result<pb::Reservation, Error> {
    let request = parse(&wire)?;
    Ok(inventory.reserve.submit(request).await??.into())
}
