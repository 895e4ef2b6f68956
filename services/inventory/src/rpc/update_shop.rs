use auth::Customer;
use proto::inventory::v1 as pb;

use super::Inventory;
use crate::error::Error;

#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn update_shop(
    _inventory: &Inventory,
    _caller: &Customer,
    _wire: pb::UpdateShopRequest,
) -> Result<pb::Shop, Error> {
    Err(Error::Unimplemented)
}
