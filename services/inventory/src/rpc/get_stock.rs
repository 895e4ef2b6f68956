use auth::Customer;
use proto::inventory::v1 as pb;
use values::{LocationId, OfferId, ShopId, Violations};

use super::Inventory;
use crate::{
    error::Error,
    store::{self, members::Work},
};

fn parse(wire: &pb::GetStockRequest) -> Result<OfferId, Violations> {
    let mut violations = Violations::new();
    let offer = violations.parse("offer_id", &wire.offer_id);
    violations.finish(offer)
}

/// Reads the stock of an offer in each location, for the shop's owner.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` offer · `PERMISSION_DENIED` not the caller's shop
pub(super) async fn get_stock(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::GetStockRequest,
) -> Result<pb::GetStockResponse, Error> {
    let offer_id = parse(&wire)?;
    let offer = store::offers::find(&inventory.db, offer_id)
        .await?
        .ok_or_else(|| Error::not_found("offer", &offer_id))?;
    inventory.may(caller, ShopId::from_uuid(offer.shop_id), Work::Books).await?;
    let levels = store::stock::levels(&inventory.db, offer_id).await?;
    Ok(pb::GetStockResponse {
        levels: (levels.into_iter())
            .map(|level| pb::StockLevel {
                offer_id: offer_id.to_string(),
                location_id: LocationId::from_uuid(level.location_id).to_string(),
                location_name: level.location_name,
                on_hand: level.on_hand,
                reserved: level.reserved,
            })
            .collect(),
    })
}
