use proto::inventory::v1 as pb;
use values::{ShopId, Violations};

use super::{Inventory, wire::public};
use crate::{error::Error, store};

fn parse(wire: &pb::GetShopRequest) -> Result<ShopId, Violations> {
    let mut violations = Violations::new();
    let shop = violations.parse("shop_id", &wire.shop_id);
    violations.finish(shop)
}

/// Reads a shop, without its stock rooms: they are for those who work there.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id · `NOT_FOUND` shop
pub(super) async fn get_shop(inventory: &Inventory, wire: pb::GetShopRequest) -> Result<pb::Shop, Error> {
    let id = parse(&wire)?;
    let shop = store::shops::find(&inventory.db, id).await?;
    shop.map(public).ok_or_else(|| Error::not_found("shop", &id))
}
