use auth::Customer;
use proto::inventory::v1 as pb;
use values::{OfferId, ShopId, Violations};

use super::Inventory;
use crate::{
    error::Error,
    store::{self, members::Work},
};

fn parse(wire: &pb::DeleteBookRequest) -> Result<OfferId, Violations> {
    let mut violations = Violations::new();
    let offer = violations.parse("offer_id", &wire.offer_id);
    violations.finish(offer)
}

/// Withdraws an offer of a shop where the caller works. Stock that is set aside stays so.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` offer · `PERMISSION_DENIED` not the caller's shop
pub(super) async fn delete_book(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::DeleteBookRequest,
) -> Result<pb::DeleteBookResponse, Error> {
    let id = parse(&wire)?;
    let offer = store::offers::find(&inventory.db, id).await?;
    let offer = offer.ok_or_else(|| Error::not_found("offer", &id))?;
    inventory.may(caller, ShopId::from_uuid(offer.shop_id), Work::Books).await?;
    fault::around("inventory.delete_book.commit", store::offers::withdraw(&inventory.db, id)).await?;
    Ok(pb::DeleteBookResponse {})
}
